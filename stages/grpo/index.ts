/** @file Group relative policy optimisation on scored completions: stored ones, or its own while it learns. */
import { defineStage, Type } from 'flow/stage'
import { rolloutParams } from './online/params.ts'
import { policyParams } from './params.ts'
import { onlineInputs, policyOutputs, startingPoint } from './ports.ts'

function gate(value: number, description: string) {
  return Type.Number({ exclusiveMinimum: 0, default: value, description })
}

export default defineStage({
  name: 'grpo',
  description: 'Trains an adapter on scored completions, compared within their group (GRPO and its kin)',
  inputs: {
    ...startingPoint,
    data: { type: 'rewards', optional: true, description: 'Offline: scored completions' },
    ...onlineInputs,
  },
  outputs: policyOutputs,
  params: Type.Object({
    ...policyParams({
      epochs: 1,
      batch_size: 32,
      learning_rate: 1e-5,
      max_length: 1024,
      epsilon_low: 0.2,
      epsilon_high: 0.2,
    }),
    ...rolloutParams(),
    objective: Type.Union([Type.Literal('grpo'), Type.Literal('reinforce_baseline')], {
      default: 'grpo',
      description: 'reinforce_baseline: plain REINFORCE with the batch mean as baseline',
    }),
    loss_type: Type.Union(
      [
        Type.Literal('grpo'),
        Type.Literal('bnpo'),
        Type.Literal('dr_grpo'),
        Type.Literal('dapo'),
        Type.Literal('luspo'),
        Type.Literal('cispo'),
        Type.Literal('sapo'),
        Type.Literal('vespo'),
      ],
      { default: 'dapo', description: 'What a token counts for and how tokens are averaged' },
    ),
    importance_sampling_level: Type.Union([Type.Literal('token'), Type.Literal('sequence')], {
      default: 'token',
      description: 'Whether each token has a ratio of its own',
    }),
    sapo_temperature_pos: gate(1, 'sapo: how sharply it fades at positive advantages'),
    sapo_temperature_neg: gate(1.05, '... and at negative ones'),
    vespo_k_pos: gate(2, 'vespo: power of the ratio at positive advantages'),
    vespo_k_neg: gate(3, '... and at negative ones'),
    vespo_lambda_pos: gate(3, 'vespo: decay with the ratio at positive advantages'),
    vespo_lambda_neg: gate(2, '... and at negative ones'),
  }),
  gpu: true,
  keeps: ['model'],
  async run(context) {
    const { optimise } = await import('./run.ts')
    await optimise(context)
  },
})
