/** @file Learning rates against the formulas of transformers' schedulers. */
import { describe, expect, it } from 'vitest'
import { type Schedule, scheduleFactor, warmupStepCount } from '../../../lm/training/schedule.ts'

function factors(schedule: Schedule): number[] {
  return Array.from({ length: schedule.totalSteps }, (_, step) => scheduleFactor(schedule, step))
}

function expectClose(ours: readonly number[], theirs: readonly number[]) {
  expect(ours).toHaveLength(theirs.length)
  ours.forEach((factor, step) => {
    expect(factor, `step ${step}`).toBeCloseTo(theirs[step]!, 12)
  })
}

describe('with warm-up', () => {
  const course = { warmupSteps: 4, totalSteps: 10 }

  it('linear: up from 0, then down to nearly 0', () => {
    const expected = [0, 0.25, 0.5, 0.75, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    expectClose(factors({ name: 'linear', ...course }), expected)
  })

  it('cosine: half a wave after the warm-up', () => {
    const half = Math.sqrt(3) / 4
    const expected = [0, 0.25, 0.5, 0.75, 1, 0.5 + half, 0.75, 0.5, 0.25, 0.5 - half]
    expectClose(factors({ name: 'cosine', ...course }), expected)
  })

  it('constant: stays at its peak', () => {
    expectClose(factors({ name: 'constant', ...course }), [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1])
  })

  it('takes the first update at rate 0', () => {
    for (const name of ['linear', 'cosine', 'constant'] as const) {
      expect(scheduleFactor({ name, warmupSteps: 1, totalSteps: 100 }, 0)).toBe(0)
      expect(scheduleFactor({ name, warmupSteps: 1, totalSteps: 100 }, 1)).toBe(1)
    }
  })

  it('never reaches its peak where the warm-up is the whole course', () => {
    expectClose(factors({ name: 'linear', warmupSteps: 8, totalSteps: 4 }), [0, 1 / 8, 2 / 8, 3 / 8])
  })
})

describe('without warm-up', () => {
  it('starts at its peak', () => {
    expectClose(factors({ name: 'linear', warmupSteps: 0, totalSteps: 4 }), [1, 0.75, 0.5, 0.25])
    const root = Math.SQRT1_2 / 2
    expectClose(factors({ name: 'cosine', warmupSteps: 0, totalSteps: 4 }), [1, 0.5 + root, 0.5, 0.5 - root])
    expectClose(factors({ name: 'constant', warmupSteps: 0, totalSteps: 2 }), [1, 1])
  })

  it('decays to a floor where there is one', () => {
    const schedule = { name: 'cosine', warmupSteps: 0, totalSteps: 4, minimumRatio: 0.2 } as const
    expect(scheduleFactor(schedule, 2)).toBeCloseTo(0.2 + 0.8 * 0.5, 12)
    expect(scheduleFactor(schedule, 4)).toBeCloseTo(0.2, 12)
    expect(scheduleFactor(schedule, 9)).toBeCloseTo(0.2, 12)
  })
})

it('counts warm-up steps as transformers does: below 1 a share, rounded up', () => {
  expect(warmupStepCount(0, 100)).toBe(0)
  expect(warmupStepCount(0.03, 100)).toBe(3)
  expect(warmupStepCount(0.03, 10)).toBe(1)
  expect(warmupStepCount(0.1, 25)).toBe(3)
  expect(warmupStepCount(1, 25)).toBe(1)
  expect(warmupStepCount(20, 100)).toBe(20)
})
