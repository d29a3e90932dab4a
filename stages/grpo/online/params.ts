/** @file Parameters of online rollouts, under TRL's names. */
import { Type } from 'flow/stage'
import type { RewardAggregation } from '../../../lm/training/advantages.ts'
import { type RewardParams, rewardParams } from '../../rewards/params.ts'
import type { TrainingParams } from '../../training/policy.ts'
import type { PolicyParams } from '../params.ts'

export function rolloutParams() {
  return {
    rollouts: Type.Union([Type.Literal('offline'), Type.Literal('online')], {
      default: 'offline',
      description: 'offline: scored completions from `data`; online: it answers `prompts` while it learns',
    }),
    num_generations: Type.Integer({ minimum: 2, default: 8, description: 'Online: completions a prompt' }),
    steps_per_generation: Type.Integer({
      minimum: 0,
      default: 0,
      description: 'Online: micro-batches sampled at once; 0: as many as an update takes',
    }),
    num_iterations: Type.Integer({
      minimum: 1,
      default: 1,
      description: 'Online: how often what was sampled is gone through',
    }),
    top_p: Type.Number({ exclusiveMinimum: 0, maximum: 1, default: 1, description: 'Online' }),
    top_k: Type.Integer({ minimum: 0, default: 0, description: 'Online; 0 keeps the whole vocabulary' }),
    ...rewardParams(),
  }
}

/** The parameters of `rolloutParams`, as a stage receives them, with those of every policy-gradient stage. */
export interface OnlineParams extends TrainingParams, PolicyParams, RewardParams {
  readonly num_generations: number
  readonly steps_per_generation: number
  readonly num_iterations: number
  readonly top_p: number
  readonly top_k: number
  readonly multi_objective_aggregation: RewardAggregation
}
