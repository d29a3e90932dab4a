/** @file What tells GRPO and GSPO apart, and the settings of the policy gradient that follow. */
import type { SoftGates } from '../../lm/training/objectives/policy-losses.ts'
import type { PolicyParams } from './params.ts'
import { type LossType, type PolicyTaskSettings, tokenLossOf } from './task.ts'

export interface Course {
  readonly stage: 'grpo' | 'gspo'
  readonly level: 'token' | 'sequence'
  readonly lossType: LossType
  /** @default those of the papers */
  readonly gates?: SoftGates
}

const papersGates: SoftGates = {
  sapoTemperature: { positive: 1, other: 1.05 },
  vespoPower: { negative: 3, other: 2 },
  vespoDecay: { negative: 2, other: 3 },
}

export function taskSettings(course: Course, params: PolicyParams): PolicyTaskSettings {
  return {
    lossType: course.lossType,
    tokenLoss: tokenLossOf(course.lossType),
    level: course.level,
    epsilonLow: params.epsilon_low,
    epsilonHigh: params.epsilon_high,
    delta: params.delta === 0 ? undefined : params.delta,
    gates: course.gates ?? papersGates,
    beta: params.beta,
    biasCorrectedKl: params.use_bias_correction_kl,
    topEntropyQuantile: params.top_entropy_quantile,
    maskTruncated: params.mask_truncated,
    maxCompletionLength: params.max_completion_length,
  }
}
