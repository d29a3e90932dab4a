/** @file Group sequence policy optimisation on scored completions: stored ones, or its own while it learns. */
import { defineStage, Type } from 'flow/stage'
import { rolloutParams } from '../grpo/online/params.ts'
import { policyParams } from '../grpo/params.ts'
import { onlineInputs, policyOutputs, startingPoint } from '../grpo/ports.ts'

export default defineStage({
  name: 'gspo',
  description: 'Trains an adapter on scored completions with one importance ratio a sequence (GSPO)',
  inputs: {
    ...startingPoint,
    data: { type: 'reward-groups', optional: true, description: 'Offline: scored completions by prompt' },
    ...onlineInputs,
  },
  outputs: policyOutputs,
  params: Type.Object({
    ...policyParams({
      epochs: 1,
      batch_size: 32,
      learning_rate: 1e-5,
      max_length: 1024,
      epsilon_low: 3e-4,
      epsilon_high: 4e-4,
    }),
    ...rolloutParams(),
    objective: Type.Union([Type.Literal('gspo'), Type.Literal('reward_weighted')], {
      default: 'gspo',
      description: 'reward_weighted: likelihood of each completion, weighted by its softmaxed reward',
    }),
    loss_type: Type.Union([Type.Literal('grpo'), Type.Literal('luspo')], {
      default: 'grpo',
      description: 'Completions count alike, or (luspo) by their length',
    }),
    weight_temperature: Type.Number({
      minimum: 0,
      default: 1,
      description: 'For reward_weighted: temperature of the softmax over rewards',
    }),
  }),
  gpu: true,
  keeps: ['model'],
  async run(context) {
    const { optimise } = await import('./run.ts')
    await optimise(context)
  },
})
