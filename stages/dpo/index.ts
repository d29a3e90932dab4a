/** @file Direct preference optimisation: the adapter learns to prefer chosen completions to rejected ones. */
import { defineStage, Type } from 'flow/stage'
import { trainingParams } from '../training/params.ts'
import { validationParams } from '../training/validation.ts'

const lossName = Type.Union([
  Type.Literal('sigmoid'),
  Type.Literal('robust'),
  Type.Literal('hinge'),
  Type.Literal('ipo'),
  Type.Literal('sigmoid_norm'),
  Type.Literal('exo_pair'),
  Type.Literal('nca_pair'),
  Type.Literal('bco_pair'),
  Type.Literal('sppo_hard'),
  Type.Literal('apo_zero'),
  Type.Literal('apo_down'),
  Type.Literal('discopop'),
  Type.Literal('aot'),
  Type.Literal('aot_unpaired'),
  Type.Literal('sft'),
  Type.Literal('rpo'),
])

export default defineStage({
  name: 'dpo',
  description: 'Trains an adapter on preference pairs (DPO and its kin)',
  inputs: {
    model: 'model',
    adapter: { type: 'adapter', optional: true, description: 'The policy to start from; also the reference' },
    reference: { type: 'adapter', optional: true, description: 'Another reference than the entering policy' },
    data: { type: 'preferences' },
    validation: { type: 'preferences', optional: true, description: 'Held-out pairs, measured as it trains' },
  },
  outputs: { adapter: 'adapter', log: 'training-log' },
  params: Type.Object({
    ...trainingParams({ epochs: 1, batch_size: 8, learning_rate: 5e-6, max_length: 1024 }),
    ...validationParams,
    beta: Type.Number({ exclusiveMinimum: 0, default: 0.1, description: 'How strongly the reference holds' }),
    loss: Type.Union([lossName, Type.Array(lossName, { minItems: 1 })], {
      default: 'sigmoid',
      description: 'One, or several that are added up',
    }),
    loss_weights: Type.Array(Type.Number(), {
      default: [],
      description: 'Of several losses, one each; none given: all 1',
    }),
    label_smoothing: Type.Number({
      minimum: 0,
      exclusiveMaximum: 0.5,
      default: 0,
      description: 'For sigmoid, robust, exo_pair and aot: share of pairs taken to be the wrong way round',
    }),
    rpo_alpha: Type.Number({
      minimum: 0,
      default: 1,
      description: 'For rpo: weight of the chosen likelihood',
    }),
    discopop_tau: Type.Number({
      exclusiveMinimum: 0,
      default: 0.05,
      description: 'For discopop: how sharply it turns from one part to the other',
    }),
    f_divergence_type: Type.Union(
      [
        Type.Literal('reverse_kl'),
        Type.Literal('forward_kl'),
        Type.Literal('js_divergence'),
        Type.Literal('alpha_divergence'),
      ],
      { default: 'reverse_kl', description: 'What holds the policy to the reference' },
    ),
    f_alpha_divergence_coef: Type.Number({ default: 0.5, description: 'For alpha_divergence: its alpha' }),
    use_weighting: Type.Boolean({
      default: false,
      description: 'Pairs count by how probable the policy finds them (WPO)',
    }),
    ld_alpha: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 1,
      description: "What tokens beyond the shorter completion's length count for (LD-DPO)",
    }),
    reference: Type.Union([Type.Literal('entering'), Type.Literal('base')], {
      default: 'entering',
      description: 'The policy as it enters the stage, or the model without any adapter',
    }),
  }),
  gpu: true,
  keeps: ['model'],
  async run(context) {
    const { optimisePreferences } = await import('./run.ts')
    await optimisePreferences(context)
  },
})
