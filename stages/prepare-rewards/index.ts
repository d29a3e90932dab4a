/** @file prepare-rewards: a dataset of scored or compared replies -> rewards. */
import { defineStage } from 'flow/stage'
import { convertDataset, datasetInput, prepareParams } from '../prepare/convert.ts'

export default defineStage({
  name: 'prepare-rewards',
  description: 'Turns a dataset of scored or compared replies into rewards, grouped by prompt',
  inputs: { data: datasetInput },
  outputs: {
    rewards: { type: 'rewards', description: 'One row a reply; a comparison without scores gives 1 and 0' },
  },
  params: prepareParams,
  async run({ inputs, outputs, params, log, warn }) {
    await convertDataset({
      file: inputs.data,
      output: outputs.rewards,
      target: 'rewards',
      settings: params,
      report: { log, warn },
    })
  },
})
