/** @file Agreement of votes and correlations against numbers worked out elsewhere. */
import { describe, expect, it } from 'vitest'
import { correlation, rankCorrelation } from '../../../lm/evaluation/correlation.ts'
import { agreementOf } from '../../../lm/judging/agreement.ts'

describe('agreementOf', () => {
  it("has the interval alpha of Krippendorff's own example", () => {
    // "Computing Krippendorff's Alpha-Reliability" (2011), example with missing data: four observers, twelve units.
    const observers = [
      [1, 2, 3, 3, 2, 1, 4, 1, 2, null, null, null],
      [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, null, 3],
      [null, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, null],
      [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, null],
    ]
    const units = Array.from({ length: 12 }, (_, unit) =>
      observers.flatMap((votes) => (votes[unit] === null ? [] : [votes[unit]!])),
    )
    expect(agreementOf(units)!.alpha).toBeCloseTo(0.849, 3)
  })

  it('counts equal pairs of votes, and the spread of each', () => {
    const found = agreementOf([[3, 3, 5], [1, 1], [4]])!
    expect(found.equal).toBeCloseTo((2 + 2) / (6 + 2), 12)
    expect(found.deviation).toBeCloseTo(Math.sqrt(4 / 3) / 2, 12)
  })

  it('tells nothing where nothing was voted on twice, or all votes are equal', () => {
    expect(agreementOf([[1], []])).toBeUndefined()
    expect(
      agreementOf([
        [2, 2],
        [2, 2],
      ]),
    ).toEqual({ equal: 1, deviation: 0, alpha: Number.NaN })
    expect(agreementOf([[0.1, 0.1, 0.1]])!.alpha).toBeNaN()
  })
})

describe('rankCorrelation', () => {
  it('is the correlation of the ranks, equal numbers sharing theirs', () => {
    // Ranks 1 2.5 2.5 4 and 1 3 2 4.
    const pairs = [
      [1, 10],
      [2, 300],
      [2, 20],
      [30, 301],
    ] as const
    expect(rankCorrelation(pairs)).toBeCloseTo(4.5 / Math.sqrt(22.5), 12)
    expect(rankCorrelation(pairs)).not.toBeCloseTo(correlation(pairs), 2)
    expect(rankCorrelation(pairs.map(([x, y]) => [x, -y]))).toBeCloseTo(-4.5 / Math.sqrt(22.5), 12)
    expect(
      rankCorrelation([
        [1, 2],
        [1, 3],
      ]),
    ).toBeNaN()
  })
})

describe('correlation', () => {
  it('tells nothing where one side does not vary', () => {
    const pairs = [1, 2, 4].map((y) => [0.1, y] as const)
    expect(correlation(pairs)).toBeNaN()
    expect(correlation(pairs.map(([x, y]) => [y, x]))).toBeNaN()
  })
})
