import { describe, expect, it } from 'vitest'
import { groupAdvantages } from '../../../lm/training/advantages.ts'

const rows = (...groups: (number | null)[][]) =>
  groups.flatMap((rewards, group) => rewards.map((reward) => ({ group, rewards: [reward] })))

describe('group advantages', () => {
  it('stand above or below the group mean, in deviations with n - 1', () => {
    const { values, fracRewardZeroStd } = groupAdvantages(rows([1, 2, 3], [0, 4]), { scale: 'group' })
    expect(fracRewardZeroStd).toBe(0)
    const deviation = Math.sqrt(8)
    const expected = [-1 / 1.0001, 0, 1 / 1.0001, -2 / (deviation + 1e-4), 2 / (deviation + 1e-4)]
    values.forEach((value, row) => {
      expect(value).toBeCloseTo(expected[row]!, 12)
    })
  })

  it('take the mean of the group whatever the deviation is of', () => {
    const mixed = rows([1, 3], [10, 20])
    expect(groupAdvantages(mixed, { scale: 'none' }).values).toEqual([-1, 1, -5, 5])
    const mean = 34 / 4
    const overall = Math.sqrt([1, 3, 10, 20].reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / 3)
    groupAdvantages(mixed, { scale: 'batch' }).values.forEach((value, row) => {
      expect(value).toBeCloseTo([-1, 1, -5, 5][row]! / (overall + 1e-4), 12)
    })
  })

  it('count groups whose rewards are all equal, rounding aside', () => {
    const silent = groupAdvantages(rows([0.1, 0.1, 0.1], [1, 2], [4]), { scale: 'group' })
    expect(silent.fracRewardZeroStd).toBeCloseTo(2 / 3, 12)
    expect(silent.hasSignal).toEqual([false, false, false, true, true, false])
    for (const row of [0, 1, 2, 5]) expect(Math.abs(silent.values[row]!)).toBeLessThan(1e-9)
  })

  it('are 0 for a row without a score, which is no part of the baseline', () => {
    const { values, hasSignal } = groupAdvantages(rows([1, null, 3], [null, null]), { scale: 'none' })
    expect(values).toEqual([-1, 0, 1, 0, 0])
    expect(hasSignal).toEqual([true, true, true, false, false])
  })

  it('are none for no rows', () => {
    expect(groupAdvantages([], { scale: 'group' })).toEqual({
      values: [],
      rewards: [],
      hasSignal: [],
      fracRewardZeroStd: 0,
    })
  })

  describe('of several reward functions', () => {
    // Two groups of three; the second function is silent on one row, nothing scores the last.
    const scored: { group: number; rewards: (number | null)[] }[] = [
      { group: 0, rewards: [1, 10] },
      { group: 0, rewards: [2, null] },
      { group: 0, rewards: [4, 30] },
      { group: 1, rewards: [0, 5] },
      { group: 1, rewards: [0, 9] },
      { group: 1, rewards: [null, null] },
    ]

    it('sum_then_normalize compares the weighted sums', () => {
      const { values, rewards } = groupAdvantages(scored, { scale: 'none', weights: [1, 0.1] })
      expect(rewards).toEqual([2, 2, 7, 0.5, 0.9, null])
      const expected = [2 - 11 / 3, 2 - 11 / 3, 7 - 11 / 3, -0.2, 0.2, 0]
      values.forEach((value, row) => {
        expect(value).toBeCloseTo(expected[row]!, 12)
      })
    })

    it('normalize_then_sum compares each in its group, and the sums over all rows', () => {
      const { values, rewards, hasSignal } = groupAdvantages(scored, {
        scale: 'group',
        weights: [1, 0.5],
        aggregation: 'normalize_then_sum',
      })
      expect(rewards).toEqual([6, 2, 19, 2.5, 4.5, null])
      const [first, second, third] = [Math.sqrt(7 / 3), Math.sqrt(200), Math.sqrt(8)].map(
        (each) => each + 1e-4,
      )
      const sums = [
        (1 - 7 / 3) / first! - 5 / second!,
        (2 - 7 / 3) / first!,
        (4 - 7 / 3) / first! + 5 / second!,
        -1 / third!,
        1 / third!,
      ]
      const deviation = Math.sqrt(sums.reduce((total, each) => total + each ** 2, 0) / 4)
      values.forEach((value, row) => {
        expect(value).toBeCloseTo(row === 5 ? 0 : sums[row]! / (deviation + 1e-4), 12)
      })
      expect(hasSignal).toEqual([true, true, true, true, true, true])
    })

    it('count a group that no function tells apart', () => {
      const flat = scored.map(({ group, rewards }) => ({ group, rewards: group === 0 ? [3, 4] : rewards }))
      const { fracRewardZeroStd } = groupAdvantages(flat, {
        scale: 'group',
        aggregation: 'normalize_then_sum',
      })
      expect(fracRewardZeroStd).toBe(0.5)
    })
  })
})
