import { describe, expect, it } from 'vitest'
import { epochBatches, type OrderSettings } from '../../../lm/training/order.ts'

const lengths = Array.from({ length: 53 }, (_, row) => 5 + ((row * 37) % 41))
const plain: OrderSettings = { batchSize: 4, seed: 7, shuffle: true, groupByLength: false }

function sorted(batches: readonly (readonly number[])[]): number[] {
  return batches.flat().sort((a, b) => a - b)
}

const everyRow = lengths.map((_, row) => row)

describe('the order of an epoch', () => {
  it.each([
    ['shuffled', plain],
    ['grouped by length', { ...plain, groupByLength: true }],
    ['in order', { ...plain, shuffle: false }],
    ['in order and grouped', { ...plain, shuffle: false, groupByLength: true }],
  ])('%s: every row once, and always as many batches', (_, settings) => {
    for (let epoch = 0; epoch < 3; epoch++) {
      const batches = epochBatches(lengths, epoch, settings)
      expect(sorted(batches)).toEqual(everyRow)
      expect(batches).toHaveLength(14)
      expect(Math.max(...batches.map((batch) => batch.length))).toBe(4)
    }
  })

  it('is a function of seed and epoch', () => {
    for (const groupByLength of [false, true]) {
      const settings = { ...plain, groupByLength }
      expect(epochBatches(lengths, 1, settings)).toEqual(epochBatches(lengths, 1, settings))
      expect(epochBatches(lengths, 1, settings)).not.toEqual(epochBatches(lengths, 0, settings))
      expect(epochBatches(lengths, 1, settings)).not.toEqual(
        epochBatches(lengths, 1, { ...settings, seed: 8 }),
      )
    }
  })

  it("keeps the file's order where nothing is to be shuffled", () => {
    const settings = { ...plain, shuffle: false }
    expect(epochBatches(lengths, 0, settings).flat()).toEqual(everyRow)
    expect(epochBatches(lengths, 5, settings).flat()).toEqual(everyRow)
  })

  it('pads less with rows of like length together', () => {
    const padding = (batches: readonly (readonly number[])[]) =>
      batches.reduce((sum, batch) => {
        const longest = Math.max(...batch.map((row) => lengths[row]!))
        return sum + batch.reduce((each, row) => each + longest - lengths[row]!, 0)
      }, 0)
    const grouped = epochBatches(lengths, 0, { ...plain, groupByLength: true })
    expect(padding(grouped)).toBeLessThan(padding(epochBatches(lengths, 0, plain)) / 2)
  })

  it('makes no batch of no rows', () => {
    expect(epochBatches([], 0, plain)).toEqual([])
    expect(epochBatches([], 0, { ...plain, groupByLength: true })).toEqual([])
  })
})
