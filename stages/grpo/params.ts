/** @file Parameters that GRPO and GSPO share. */
import { Type } from 'flow/stage'
import { type TrainingDefaults, trainingParams } from '../training/params.ts'

export function policyParams(defaults: TrainingDefaults & { epsilon_low: number; epsilon_high: number }) {
  return {
    ...trainingParams(defaults),
    epsilon_low: Type.Number({
      minimum: 0,
      default: defaults.epsilon_low,
      description: 'The ratio counts from 1 - this',
    }),
    epsilon_high: Type.Number({
      minimum: 0,
      default: defaults.epsilon_high,
      description: '... up to 1 + this; of cispo the largest ratio itself',
    }),
    delta: Type.Number({
      minimum: 0,
      default: 0,
      description: 'Largest ratio where clipping leaves it free, above 1 + epsilon_high; 0: none',
    }),
    beta: Type.Number({
      minimum: 0,
      default: 0,
      description: 'Weight of the KL penalty to the entering policy',
    }),
    use_bias_correction_kl: Type.Boolean({
      default: false,
      description: "Multiplies the KL penalty by the importance ratio (TRL's default)",
    }),
    top_entropy_quantile: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 1,
      description: 'Share of the tokens, those of the highest entropy, that move the policy',
    }),
    scale_rewards: Type.Union([Type.Literal('group'), Type.Literal('batch'), Type.Literal('none')], {
      default: 'group',
      description: 'Whose deviation the advantages are divided by',
    }),
    drop_zero_std: Type.Boolean({
      default: false,
      description: 'Leaves out groups whose rewards are all equal: they carry no signal and dilute the mean',
    }),
    mask_truncated: Type.Boolean({
      default: false,
      description: 'Completions cut at their longest do not count',
    }),
    max_completion_length: Type.Integer({
      minimum: 1,
      default: 256,
      description: 'Tokens of the longest completion; the denominator of dr_grpo',
    }),
    temperature: Type.Number({
      exclusiveMinimum: 0,
      default: 1,
      description: 'At which the completions were sampled; divides the scores here too',
    }),
  }
}

/** The parameters of `policyParams`, as a stage receives them. */
export interface PolicyParams {
  readonly epsilon_low: number
  readonly epsilon_high: number
  readonly delta: number
  readonly beta: number
  readonly use_bias_correction_kl: boolean
  readonly top_entropy_quantile: number
  readonly scale_rewards: 'group' | 'batch' | 'none'
  readonly drop_zero_std: boolean
  readonly mask_truncated: boolean
  readonly max_completion_length: number
  readonly temperature: number
}
