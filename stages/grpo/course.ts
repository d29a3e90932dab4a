/** @file What tells GRPO and GSPO apart, and the settings of the policy gradient that follow. */
import type { PolicyParams } from './params.ts'
import type { Aggregation, PolicyTaskSettings } from './task.ts'

export interface Course {
  readonly stage: 'grpo' | 'gspo'
  readonly level: 'token' | 'sequence'
  readonly aggregation: Aggregation
}

export function taskSettings(course: Course, params: PolicyParams): PolicyTaskSettings {
  return {
    level: course.level,
    aggregation: course.aggregation,
    epsilonLow: params.epsilon_low,
    epsilonHigh: params.epsilon_high,
    beta: params.beta,
    maskTruncated: params.mask_truncated,
    maxCompletionLength: params.max_completion_length,
  }
}
