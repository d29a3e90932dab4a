/** @file Learning-rate schedules, as transformers has them: `linear`, `cosine` and `constant`, each with warm-up. */

export type ScheduleName = 'linear' | 'cosine' | 'constant'

export interface Schedule {
  readonly name: ScheduleName
  readonly warmupSteps: number
  readonly totalSteps: number
  /** The rate never falls below this share of its peak. @default 0 */
  readonly minimumRatio?: number
}

/**
 * Factor on the peak learning rate for update `step`, 0-based. With warm-up the first update has factor 0, as in
 * transformers: the moments move, the weights do not.
 */
export function scheduleFactor(schedule: Schedule, step: number): number {
  const { warmupSteps, totalSteps, minimumRatio = 0 } = schedule
  if (step < warmupSteps) return step / Math.max(1, warmupSteps)
  if (schedule.name === 'constant') return 1
  const progress = Math.min(1, (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps))
  const decay = schedule.name === 'linear' ? 1 - progress : 0.5 * (1 + Math.cos(Math.PI * progress))
  return minimumRatio + (1 - minimumRatio) * decay
}

/** Warm-up steps from a setting: below 1 a share of all steps (rounded up, as in transformers), else a count. */
export function warmupStepCount(warmup: number, totalSteps: number): number {
  return warmup < 1 ? Math.ceil(warmup * totalSteps) : Math.round(warmup)
}
