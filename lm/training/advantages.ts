/** @file Group-relative advantages (arXiv 2402.03300): a completion's reward against those of its own prompt. */

export type RewardScale = 'group' | 'batch' | 'none'

export interface Advantages {
  /** One a row; 0 where the row has no reward. */
  readonly values: readonly number[]
  /** Whether the row's group has rewards that differ. */
  readonly hasSignal: readonly boolean[]
  /** Share of groups whose rewards are all equal. */
  readonly fracRewardZeroStd: number
}

const epsilon = 1e-4

/** Sample standard deviation (n - 1); 0 for fewer than two values. */
function deviation(values: readonly number[]): number {
  if (values.length < 2) return 0
  const mean = values.reduce((a, b) => a + b, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (values.length - 1))
}

/** Equal rewards such as three times 0.1 have a mean that differs from them in the last bit. */
function differs(deviation: number): boolean {
  return deviation > 1e-8
}

/** A = (r - mean of its group) / (deviation + 1e-4), the deviation that of the group, of all rows, or 1. */
export function groupAdvantages(
  rows: readonly { readonly group: number; readonly reward: number | null }[],
  scale: RewardScale,
): Advantages {
  const groups = new Map<number, number[]>()
  for (const { group, reward } of rows) {
    const rewards = groups.get(group) ?? []
    groups.set(group, rewards)
    if (reward !== null) rewards.push(reward)
  }
  const all = rows.flatMap(({ reward }) => (reward === null ? [] : [reward]))
  const overall = deviation(all)
  const statistics = new Map<number, { mean: number; deviation: number }>()
  for (const [group, rewards] of groups) {
    const mean = rewards.reduce((a, b) => a + b, 0) / Math.max(1, rewards.length)
    statistics.set(group, { mean, deviation: deviation(rewards) })
  }
  const values = rows.map(({ group, reward }) => {
    if (reward === null) return 0
    const { mean, deviation: own } = statistics.get(group)!
    if (scale === 'none') return reward - mean
    return (reward - mean) / ((scale === 'group' ? own : overall) + epsilon)
  })
  const silent = [...statistics.values()].filter((each) => !differs(each.deviation)).length
  return {
    values,
    hasSignal: rows.map(({ group }) => differs(statistics.get(group)!.deviation)),
    fracRewardZeroStd: groups.size === 0 ? 0 : silent / groups.size,
  }
}
