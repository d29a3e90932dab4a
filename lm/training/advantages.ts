/**
 * @file Group-relative advantages (arXiv 2402.03300): a completion's reward against those of its own prompt, from one
 * reward function or several (arXiv 2601.05242 compares the two ways to combine them).
 */

export type RewardScale = 'group' | 'batch' | 'none'

/** Whether several rewards are summed and then compared, or compared one by one and then summed. */
export type RewardAggregation = 'sum_then_normalize' | 'normalize_then_sum'

export interface ScoredRow {
  readonly group: number
  /** One a reward function; null where it gave none. */
  readonly rewards: readonly (number | null)[]
}

export interface AdvantageSettings {
  /** Whose deviation the advantages are divided by. `normalize_then_sum` always divides by that of all rows. */
  readonly scale: RewardScale
  /** One a reward function. @default 1 each */
  readonly weights?: readonly number[] | undefined
  /** @default 'sum_then_normalize' */
  readonly aggregation?: RewardAggregation | undefined
}

export interface Advantages {
  /** One a row; 0 where no function scored it. */
  readonly values: readonly number[]
  /** Weighted sum of each row's rewards; null where no function scored it. */
  readonly rewards: readonly (number | null)[]
  /** Whether the row's group has rewards that differ. */
  readonly hasSignal: readonly boolean[]
  /** Share of groups whose rewards are all equal. */
  readonly fracRewardZeroStd: number
}

interface Spread {
  readonly mean: number
  /** Sample standard deviation (n - 1); 0 for fewer than two values. */
  readonly deviation: number
}

const epsilon = 1e-4

/** Equal rewards such as three times 0.1 have a mean that differs from them in the last bit. */
const smallestDeviation = 1e-8

/** Mean and sample deviation of what is scored. */
export function spread(values: readonly (number | null)[]): Spread {
  const scored = values.filter((value) => value !== null)
  const mean = scored.reduce((a, b) => a + b, 0) / Math.max(1, scored.length)
  if (scored.length < 2) return { mean, deviation: 0 }
  const squares = scored.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  return { mean, deviation: Math.sqrt(squares / (scored.length - 1)) }
}

/**
 * A = (r - mean of its group) / (deviation + 1e-4), r the weighted sum of the rewards and the deviation that of the
 * group, of all rows, or 1. With `normalize_then_sum` each reward becomes (r - mean) / (deviation + 1e-4) in its group
 * first, and their weighted sum is standardised over all rows. A row that no function scored gets 0 and is no part of
 * any mean or deviation.
 */
export function groupAdvantages(rows: readonly ScoredRow[], settings: AdvantageSettings): Advantages {
  const { scale, weights, aggregation = 'sum_then_normalize' } = settings
  const sumThenNormalize = aggregation === 'sum_then_normalize'
  const groups = rows.map(({ group }) => group)
  const rewards = weightedSums(rows, weights)
  const compared = sumThenNormalize ? rewards : weightedSums(standardised(rows), weights)
  const ofAll = spread(compared)
  const ofGroup = spreads(groups, compared)
  const values = compared.map((value, row) => {
    if (value === null) return 0
    if (!sumThenNormalize) return (value - ofAll.mean) / (ofAll.deviation + epsilon)
    const { mean, deviation } = ofGroup.get(groups[row]!)!
    if (scale === 'none') return value - mean
    return (value - mean) / ((scale === 'group' ? deviation : ofAll.deviation) + epsilon)
  })
  const differs = ({ deviation }: Spread) => deviation > smallestDeviation
  const silent = [...ofGroup.values()].filter((each) => !differs(each)).length
  return {
    values,
    rewards,
    hasSignal: groups.map((group) => differs(ofGroup.get(group)!)),
    fracRewardZeroStd: ofGroup.size === 0 ? 0 : silent / ofGroup.size,
  }
}

function weightedSums(rows: readonly ScoredRow[], weights: readonly number[] | undefined): (number | null)[] {
  return rows.map(({ rewards }) => {
    if (rewards.every((reward) => reward === null)) return null
    return rewards.reduce<number>((sum, reward, index) => sum + (reward ?? 0) * (weights?.[index] ?? 1), 0)
  })
}

/** Each function's rewards as deviations from the mean of their group. */
function standardised(rows: readonly ScoredRow[]): ScoredRow[] {
  const groups = rows.map(({ group }) => group)
  const functions = rows[0]?.rewards.length ?? 0
  const spreadsOf = Array.from({ length: functions }, (_, index) =>
    spreads(
      groups,
      rows.map(({ rewards }) => rewards[index]!),
    ),
  )
  return rows.map(({ group, rewards }) => ({
    group,
    rewards: rewards.map((reward, index) => {
      const { mean, deviation } = spreadsOf[index]!.get(group)!
      return reward === null ? null : (reward - mean) / (deviation + epsilon)
    }),
  }))
}

function spreads(groups: readonly number[], values: readonly (number | null)[]): Map<number, Spread> {
  const members = new Map<number, (number | null)[]>()
  groups.forEach((group, row) => {
    const own = members.get(group) ?? []
    members.set(group, own)
    own.push(values[row]!)
  })
  return new Map([...members].map(([group, own]) => [group, spread(own)]))
}
