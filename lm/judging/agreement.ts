/** @file How far several votes on the same thing agree. */
import { mean } from '../evaluation/mean.ts'

export interface Agreement {
  /** Share of the pairs of votes on one thing that are equal. */
  readonly equal: number
  /** Mean over the things of the standard deviation of their votes (unbiased). */
  readonly deviation: number
  /**
   * Krippendorff's alpha for interval data (Content Analysis, 4th ed., chapter 12): 1 where votes on one thing agree,
   * 0 where they differ as much as votes on different things. NaN where all votes are equal.
   */
  readonly alpha: number
}

/** @param units the votes on each thing; those with fewer than two are left out. Undefined where none has two */
export function agreementOf(units: readonly (readonly number[])[]): Agreement | undefined {
  const voted = units.filter((votes) => votes.length > 1)
  if (voted.length === 0) return undefined
  let [equal, pairs, deviations, within] = [0, 0, 0, 0]
  for (const votes of voted) {
    const count = votes.length
    for (const a of votes) for (const b of votes) if (a === b) equal++
    equal -= count
    pairs += count * (count - 1)
    // Squared differences over all ordered pairs are twice the count times the squared deviations.
    const squares = squaredDeviations(votes)
    deviations += Math.sqrt(squares / (count - 1))
    within += (2 * count * squares) / (count - 1)
  }
  const all = voted.flat()
  const observed = within / all.length
  const expected = (2 * squaredDeviations(all)) / (all.length - 1)
  // Not told by the deviations: equal numbers such as three times 0.1 have a mean that differs in the last bit.
  const alpha = all.every((vote) => vote === all[0]) ? Number.NaN : 1 - observed / expected
  return { equal: equal / pairs, deviation: deviations / voted.length, alpha }
}

function squaredDeviations(values: readonly number[]): number {
  const middle = mean(values)
  return values.reduce((sum, value) => sum + (value - middle) ** 2, 0)
}
