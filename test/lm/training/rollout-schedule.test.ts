/** @file When an online run samples, for which prompts, and what each update learns from. */
import { describe, expect, it } from 'vitest'
import { RolloutSchedule, type RolloutSettings } from '../../../lm/training/rollout-schedule.ts'

const settings: RolloutSettings = {
  epochs: 1,
  batchSize: 4,
  accumulation: 1,
  stepsPerGeneration: 2,
  iterations: 2,
  generations: 4,
  seed: 3,
  shuffle: true,
}
const schedule = (prompts: number, more: Partial<RolloutSettings> = {}) =>
  new RolloutSchedule(prompts, { ...settings, ...more })
const partsOf = (course: RolloutSchedule) =>
  Array.from({ length: course.total }, (_, update) =>
    course
      .microBatches(update)
      .map(({ generation, part }) => `${generation}.${part}`)
      .join(' '),
  )

describe('a rollout schedule', () => {
  it('goes through each generation batch part by part, as often as it is told', () => {
    expect(partsOf(schedule(4))).toEqual(['0.0', '0.1', '0.0', '0.1', '1.0', '1.1', '1.0', '1.1'])
    expect(partsOf(schedule(4, { iterations: 1, epochs: 2 }))).toEqual([
      '0.0',
      '0.1',
      '1.0',
      '1.1',
      '2.0',
      '2.1',
      '3.0',
      '3.1',
    ])
  })

  it('accumulates over parts, over generation batches, and ends each epoch with what is left', () => {
    expect(partsOf(schedule(2, { accumulation: 2 }))).toEqual(['0.0 0.1', '0.0 0.1'])
    expect(partsOf(schedule(6, { accumulation: 4, iterations: 1, epochs: 2 }))).toEqual([
      '0.0 0.1 1.0 1.1',
      '2.0 2.1',
      '3.0 3.1 4.0 4.1',
      '5.0 5.1',
    ])
  })

  it('is on-policy where each generation batch serves one update', () => {
    expect(schedule(4).isOnPolicy).toBe(false)
    expect(schedule(4, { accumulation: 2 }).isOnPolicy).toBe(false)
    expect(schedule(4, { accumulation: 4 }).isOnPolicy).toBe(true)
    expect(schedule(4, { accumulation: 2, iterations: 1 }).isOnPolicy).toBe(true)
    expect(schedule(4, { accumulation: 6, iterations: 1 }).isOnPolicy).toBe(true)
  })

  it('asks each prompt once an epoch, in another order in each, and leaves out what fills no batch', () => {
    const course = schedule(7, { epochs: 2 })
    expect(course.leftOut).toBe(1)
    const epoch = (first: number) => [0, 1, 2].flatMap((batch) => course.prompts(first + batch))
    expect(new Set(epoch(0)).size).toBe(6)
    expect(epoch(3)).not.toEqual(epoch(0))
    expect(schedule(7, { epochs: 2 }).prompts(4)).toEqual(course.prompts(4))
    expect(schedule(7, { epochs: 2, seed: 4 }).prompts(4)).not.toEqual(course.prompts(4))
    expect(schedule(7, { shuffle: false }).prompts(1)).toEqual([2, 3])
  })

  it('deals the completions out to the parts, none twice', () => {
    const completions = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']
    const parts = schedule(4).parts(1, completions)
    expect(parts.map((part) => part.length)).toEqual([4, 4])
    expect(parts.flat().sort()).toEqual(completions)
    expect(parts.flat()).not.toEqual(completions)
    expect(schedule(4, { shuffle: false }).parts(1, completions)).toEqual([
      ['a', 'b', 'c', 'd'],
      ['e', 'f', 'g', 'h'],
    ])
  })

  it('counts epochs, and stops where it is told', () => {
    const course = schedule(4, { epochs: 2, maxSteps: 11 })
    expect(course.total).toBe(11)
    expect([4, 8, 10].map((updates) => course.epochsAfter(updates))).toEqual([0.5, 1, 1.25])
  })

  it('refuses groups that do not fill a batch, and too few prompts', () => {
    expect(() => schedule(9, { generations: 3 })).toThrow(
      'a generation batch of 8 completions is no multiple of the 3 of each prompt',
    )
    expect(() => schedule(1)).toThrow('a generation batch takes 2 prompts, and there are 1')
  })
})
