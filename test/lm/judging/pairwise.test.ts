/** @file Verdicts in both orders, win rates, and win rates as scores. */
import { describe, expect, it } from 'vitest'
import { pairsOf, pairwiseScores, settlePair, winnerValue, winRate } from '../../../lm/judging/pairwise.ts'

describe('settlePair', () => {
  it.each([
    // a first, b first (for the one shown first) -> winner, preference for a
    [1, 0, 'a', 1],
    [0, 1, 'b', 0],
    // The first place wins both times, or the second: that says nothing of the replies.
    [1, 1, 'tie', 0.5],
    [0, 0, 'tie', 0.5],
    [0.5, 0.5, 'tie', 0.5],
    [1, 0.5, 'tie', 0.75],
    [0.9, 0.2, 'a', 0.85],
    [0.9, 0.6, 'tie', 0.65],
    [0.1, 0.7, 'b', 0.2],
  ] as const)('%d with a first and %d with b first: %s', (first, second, winner, preference) => {
    const verdict = settlePair(first, second)
    expect(verdict.winner).toBe(winner)
    expect(verdict.preference).toBeCloseTo(preference, 12)
    // The same replies under each other's names.
    expect(settlePair(second, first).preference).toBeCloseTo(1 - preference, 12)
  })

  it('has no winner where an order could not be read', () => {
    for (const [first, second] of [
      [null, 0],
      [1, null],
      [null, null],
    ] as const) {
      expect(settlePair(first, second)).toMatchObject({ winner: null, preference: null })
    }
  })
})

describe('winRate', () => {
  it('counts a tie as half a win, and leaves out what could not be read', () => {
    expect(winRate(['a', 'a', 'b', 'tie', null])).toEqual({
      comparisons: 5,
      wins: 2,
      ties: 1,
      losses: 1,
      unread: 1,
      rate: 2.5 / 4,
    })
    expect(winRate([null]).rate).toBeNaN()
    expect((['a', 'tie', 'b', null] as const).map(winnerValue)).toEqual([1, 0.5, 0, null])
  })
})

describe('scores from comparisons', () => {
  it('compares each pair once, or each with the first', () => {
    expect(pairsOf(3, 'round-robin')).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
    ])
    expect(pairsOf(3, 'against-first')).toEqual([
      [0, 1],
      [0, 2],
    ])
    for (const pairing of ['round-robin', 'against-first'] as const) {
      expect(pairsOf(1, pairing)).toEqual([])
      expect(pairsOf(0, pairing)).toEqual([])
    }
  })

  it('are mean preferences over the comparisons that have a winner', () => {
    expect(pairwiseScores(3, 'round-robin', [1, 0.5, 0])).toEqual([0.75, 0, 0.75])
    expect(pairwiseScores(3, 'round-robin', [1, null, null])).toEqual([1, 0, null])
    expect(pairwiseScores(3, 'against-first', [1, 0.25])).toEqual([0.5, 0, 0.75])
    expect(pairwiseScores(3, 'against-first', [null, null])).toEqual([null, null, null])
    expect(pairwiseScores(1, 'round-robin', [])).toEqual([null])
  })
})
