/** @file Direct preference optimisation: the adapter learns to prefer chosen completions to rejected ones. */
import { defineStage, Type } from 'flow/stage'
import { trainingParams } from '../training/params.ts'

export default defineStage({
  name: 'dpo',
  description: 'Trains an adapter on preference pairs (DPO and its kin)',
  inputs: {
    model: 'model',
    adapter: { type: 'adapter', optional: true, description: 'The policy to start from; also the reference' },
    data: { type: 'preferences' },
  },
  outputs: { adapter: 'adapter', log: 'training-log' },
  params: Type.Object({
    ...trainingParams({ epochs: 1, batch_size: 8, learning_rate: 5e-6, max_length: 1024 }),
    beta: Type.Number({ exclusiveMinimum: 0, default: 0.1, description: 'How strongly the reference holds' }),
    loss: Type.Union(
      [
        Type.Literal('sigmoid'),
        Type.Literal('robust'),
        Type.Literal('hinge'),
        Type.Literal('ipo'),
        Type.Literal('sigmoid_norm'),
        Type.Literal('exo_pair'),
        Type.Literal('nca_pair'),
        Type.Literal('apo_zero'),
        Type.Literal('apo_down'),
        Type.Literal('rpo'),
      ],
      { default: 'sigmoid' },
    ),
    label_smoothing: Type.Number({
      minimum: 0,
      exclusiveMaximum: 0.5,
      default: 0,
      description: 'For sigmoid, robust and exo_pair: share of pairs taken to be the wrong way round',
    }),
    rpo_alpha: Type.Number({
      minimum: 0,
      default: 1,
      description: 'For rpo: weight of the chosen likelihood',
    }),
  }),
  gpu: true,
  async run(context) {
    const { optimisePreferences } = await import('./run.ts')
    await optimisePreferences(context)
  },
})
