/** @file Group sequence policy optimisation on stored, scored completions. */
import { defineStage, Type } from 'flow/stage'
import { policyParams } from '../grpo/params.ts'

export default defineStage({
  name: 'gspo',
  description: 'Trains an adapter on scored completions with one importance ratio a sequence (GSPO)',
  inputs: {
    model: 'model',
    adapter: { type: 'adapter', optional: true, description: 'The policy to start from' },
    data: { type: 'reward-groups', description: 'Scored completions by prompt' },
  },
  outputs: { adapter: 'adapter', log: 'training-log' },
  params: Type.Object({
    ...policyParams({
      epochs: 1,
      batch_size: 32,
      learning_rate: 1e-5,
      max_length: 1024,
      epsilon_low: 3e-4,
      epsilon_high: 4e-4,
    }),
    objective: Type.Union([Type.Literal('gspo'), Type.Literal('reward_weighted')], {
      default: 'gspo',
      description: 'reward_weighted: likelihood of each completion, weighted by its softmaxed reward',
    }),
    weight_temperature: Type.Number({
      minimum: 0,
      default: 1,
      description: 'For reward_weighted: temperature of the softmax over rewards',
    }),
  }),
  gpu: true,
  async run(context) {
    const { optimise } = await import('./run.ts')
    await optimise(context)
  },
})
