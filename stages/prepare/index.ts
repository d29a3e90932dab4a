/** @file prepare: a dataset in any known format -> instructions. */
import { defineStage } from 'flow/stage'
import { convertDataset, datasetInput, prepareParams } from './convert.ts'

export default defineStage({
  name: 'prepare',
  description: 'Turns a dataset in any known format into instructions to learn from',
  inputs: { data: datasetInput },
  outputs: { instructions: { type: 'instructions', description: 'One {messages} row a conversation' } },
  params: prepareParams,
  async run({ inputs, outputs, params, log, warn }) {
    await convertDataset({
      file: inputs.data,
      output: outputs.instructions,
      target: 'instructions',
      settings: params,
      report: { log, warn },
    })
  },
})
