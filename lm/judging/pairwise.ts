/**
 * @file Which of two replies is better, asked in both orders: what a judge says of the place a reply stands in must
 * not count (position bias, arXiv 2306.05685). Preferences are numbers: 1 for the one reply, 0 for the other, 0.5 for
 * neither; read from probabilities, anything between.
 */

export type Winner = 'a' | 'b' | 'tie'

export interface PairVerdict {
  /** With a shown first: how far a is preferred; null where the verdict could not be read. */
  readonly forward: number | null
  /** With b shown first: how far a is preferred. */
  readonly swapped: number | null
  /** Null where one of the two could not be read. */
  readonly winner: Winner | null
  /** How far a is preferred over both orders, 0 to 1; null with `winner`. */
  readonly preference: number | null
}

/**
 * Both orders' verdicts on a and b as one. Where they disagree it is a tie.
 * @param first how far the reply shown first is preferred, with a first
 * @param second the same with b first
 */
export function settlePair(first: number | null, second: number | null): PairVerdict {
  const swapped = second === null ? null : 1 - second
  if (first === null || swapped === null) return { forward: first, swapped, winner: null, preference: null }
  const agree = (first - 0.5) * (swapped - 0.5) > 0
  const winner: Winner = !agree ? 'tie' : first > 0.5 ? 'a' : 'b'
  return { forward: first, swapped, winner, preference: (first + swapped) / 2 }
}

/** The winner as a preference for a: 1, 0.5 or 0. */
export function winnerValue(winner: Winner | null): number | null {
  return winner === null ? null : { a: 1, tie: 0.5, b: 0 }[winner]
}

/** Verdict on two replies that read the same: nobody is asked. */
export const equalReplies: PairVerdict = { forward: 0.5, swapped: 0.5, winner: 'tie', preference: 0.5 }

export interface WinRate {
  readonly comparisons: number
  readonly wins: number
  readonly ties: number
  readonly losses: number
  /** Comparisons without a winner because a verdict could not be read; they are not in the rate. */
  readonly unread: number
  /** (wins + ties / 2) / (wins + ties + losses), of a; NaN without any. */
  readonly rate: number
}

export function winRate(winners: readonly (Winner | null)[]): WinRate {
  const count = (winner: Winner | null) => winners.filter((each) => each === winner).length
  const [wins, ties, losses] = [count('a'), count('tie'), count('b')]
  return {
    comparisons: winners.length,
    wins,
    ties,
    losses,
    unread: count(null),
    rate: (wins + ties / 2) / (wins + ties + losses),
  }
}

export interface OrderDiagnostics {
  /** Share of the pairs on whose better reply both orders agree. */
  readonly agreement: number
  /** Share of the pairs of which both orders prefer what they show at the same place. */
  readonly followsPlace: number
  /** How often the reply shown first is preferred, a tie as half; 0.5 without position bias. */
  readonly firstPreferred: number
}

/** Over the pairs whose two verdicts could be read; undefined without any. */
export function orderDiagnostics(verdicts: readonly PairVerdict[]): OrderDiagnostics | undefined {
  const read = verdicts.flatMap(({ forward, swapped }) =>
    forward === null || swapped === null
      ? []
      : [{ forward: Math.sign(forward - 0.5), swapped: Math.sign(swapped - 0.5) }],
  )
  if (read.length === 0) return undefined
  const mean = (of: (pair: (typeof read)[number]) => number) =>
    read.reduce((sum, pair) => sum + of(pair), 0) / read.length
  return {
    agreement: mean(({ forward, swapped }) => (forward * swapped > 0 ? 1 : 0)),
    followsPlace: mean(({ forward, swapped }) => (forward * swapped < 0 ? 1 : 0)),
    firstPreferred: mean(({ forward, swapped }) => 0.5 + (forward - swapped) / 4),
  }
}

export type Pairing = 'round-robin' | 'against-first'

/** Which of a prompt's replies are compared: each pair once, or the first with each other one. */
export function pairsOf(count: number, pairing: Pairing): readonly (readonly [number, number])[] {
  const pairs: [number, number][] = []
  const last = pairing === 'round-robin' ? count - 1 : Math.min(1, count)
  for (let a = 0; a < last; a++) for (let b = a + 1; b < count; b++) pairs.push([a, b])
  return pairs
}

/**
 * Each reply's score: how far it is preferred, on average over the comparisons that have a winner, 0 to 1. Against
 * the first, the first itself has 0.5, as it would against its equal. Null where no comparison has a winner.
 * @param preferences one a pair of `pairsOf`
 */
export function pairwiseScores(
  count: number,
  pairing: Pairing,
  preferences: readonly (number | null)[],
): (number | null)[] {
  const sums = new Float64Array(count)
  const compared = new Int32Array(count)
  pairsOf(count, pairing).forEach(([a, b], index) => {
    const preference = preferences[index]
    if (preference === null || preference === undefined) return
    sums[a]! += preference
    sums[b]! += 1 - preference
    compared[a]!++
    compared[b]!++
  })
  return Array.from(sums, (sum, reply) => {
    if (compared[reply] === 0) return null
    return pairing === 'against-first' && reply === 0 ? 0.5 : sum / compared[reply]!
  })
}
