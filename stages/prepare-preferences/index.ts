/** @file prepare-preferences: a dataset of comparisons or scored replies -> preferences. */
import { defineStage } from 'flow/stage'
import { convertDataset, datasetInput, prepareParams } from '../prepare/convert.ts'

export default defineStage({
  name: 'prepare-preferences',
  description: 'Turns a dataset of compared or scored replies into pairs of a better and a worse one',
  inputs: { data: datasetInput },
  outputs: { preferences: { type: 'preferences', description: 'One pair a prompt' } },
  params: prepareParams,
  async run({ inputs, outputs, params, log, warn }) {
    await convertDataset({
      file: inputs.data,
      output: outputs.preferences,
      target: 'preferences',
      settings: params,
      report: { log, warn },
    })
  },
})
