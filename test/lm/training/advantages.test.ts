import { describe, expect, it } from 'vitest'
import { groupAdvantages } from '../../../lm/training/advantages.ts'

const rows = (...groups: (number | null)[][]) =>
  groups.flatMap((rewards, group) => rewards.map((reward) => ({ group, reward })))

describe('group advantages', () => {
  it('stand above or below the group mean, in deviations with n - 1', () => {
    const { values, fracRewardZeroStd } = groupAdvantages(rows([1, 2, 3], [0, 4]), 'group')
    expect(fracRewardZeroStd).toBe(0)
    const deviation = Math.sqrt(8)
    const expected = [-1 / 1.0001, 0, 1 / 1.0001, -2 / (deviation + 1e-4), 2 / (deviation + 1e-4)]
    values.forEach((value, row) => {
      expect(value).toBeCloseTo(expected[row]!, 12)
    })
  })

  it('take the mean of the group whatever the deviation is of', () => {
    const mixed = rows([1, 3], [10, 20])
    expect(groupAdvantages(mixed, 'none').values).toEqual([-1, 1, -5, 5])
    const mean = 34 / 4
    const overall = Math.sqrt([1, 3, 10, 20].reduce((sum, reward) => sum + (reward - mean) ** 2, 0) / 3)
    groupAdvantages(mixed, 'batch').values.forEach((value, row) => {
      expect(value).toBeCloseTo([-1, 1, -5, 5][row]! / (overall + 1e-4), 12)
    })
  })

  it('count groups whose rewards are all equal, rounding aside', () => {
    const silent = groupAdvantages(rows([0.1, 0.1, 0.1], [1, 2], [4]), 'group')
    expect(silent.fracRewardZeroStd).toBeCloseTo(2 / 3, 12)
    expect(silent.hasSignal).toEqual([false, false, false, true, true, false])
    for (const row of [0, 1, 2, 5]) expect(Math.abs(silent.values[row]!)).toBeLessThan(1e-9)
  })

  it('are 0 for a row without a score, which is no part of the baseline', () => {
    const { values, hasSignal } = groupAdvantages(rows([1, null, 3], [null, null]), 'none')
    expect(values).toEqual([-1, 0, 1, 0, 0])
    expect(hasSignal).toEqual([true, true, true, false, false])
  })

  it('are none for no rows', () => {
    expect(groupAdvantages([], 'group')).toEqual({ values: [], hasSignal: [], fracRewardZeroStd: 0 })
  })
})
