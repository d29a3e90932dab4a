/** @file What the log says of scored completions, under TRL's names. */
import { mean } from '../../lm/evaluation/mean.ts'
import { spread } from '../../lm/training/advantages.ts'

/**
 * @param names of the reward functions
 * @param rewards one row a completion, one score a function
 * @param sums each completion's weighted sum
 */
export function rewardColumns(
  names: readonly string[],
  rewards: readonly (readonly (number | null)[])[],
  sums: readonly (number | null)[],
  fracRewardZeroStd: number,
): Record<string, number> {
  const own = names.map((name, index) => {
    const scores = rewards.map((row) => row[index]!)
    return summary(`rewards/${name}/mean`, `rewards/${name}/std`, scores)
  })
  return Object.assign(
    summary('reward', 'reward_std', sums),
    { frac_reward_zero_std: fracRewardZeroStd },
    ...own,
  )
}

/** Mean and sample deviation of what was scored; no column where nothing was. */
export function summary(meanName: string, deviationName: string, scores: readonly (number | null)[]) {
  const scored = scores.filter((score) => score !== null)
  if (scored.length === 0) return {}
  const values = spread(scored)
  return { [meanName]: values.mean, ...(scored.length > 1 && { [deviationName]: values.deviation }) }
}

export interface CompletionLength {
  /** Tokens, the end token included. */
  readonly length: number
  /** Ended by itself. */
  readonly finished: boolean
}

/** Lengths in tokens. Without a completion that ended by itself those lengths are 0, as in TRL. */
export function lengthColumns(completions: readonly CompletionLength[]): Record<string, number> {
  const lengths = completions.map(({ length }) => length)
  const ended = completions.flatMap(({ length, finished }) => (finished ? [length] : []))
  const whole = ended.length === 0 ? [0] : ended
  return {
    'completions/mean_length': mean(lengths),
    'completions/min_length': Math.min(...lengths),
    'completions/max_length': Math.max(...lengths),
    'completions/clipped_ratio': 1 - ended.length / completions.length,
    'completions/mean_terminated_length': mean(whole),
    'completions/min_terminated_length': Math.min(...whole),
    'completions/max_terminated_length': Math.max(...whole),
  }
}

/** Column by column the mean over the rows that have it: an update may have sampled more than once. */
export function meanColumns(rows: readonly Readonly<Record<string, number>>[]): Record<string, number> {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))]
  return Object.fromEntries(names.map((name) => [name, mean(rows.flatMap((row) => row[name] ?? []))]))
}
