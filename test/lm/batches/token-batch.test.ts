/** @file What a compiled step sees of token sequences: labels only where a token counts, padding never. */
import { describe, expect, it } from 'vitest'
import type { Sequence } from '../../../lm/batches/sequence.ts'
import { membership, tokenBatch } from '../../../lm/batches/token-batch.ts'
import { supervisedShares } from '../../../lm/training/objectives/supervised.ts'
import { referenceConfig } from '../reference.ts'

const pad = 2
/** Prompt 10 11, answer 12, end token 2, which is the padding token too. */
const short: Sequence = { ids: [10, 11, 12, pad], weights: [0, 0, 1, 1] }
const long: Sequence = {
  ids: [20, 21, 22, 23, 24, 25, 26, 27, 28, 29, pad],
  weights: [0, 0, 0, 1, 1, 0, 0, 1, 1, 1, 1],
}

const settings = { config: referenceConfig('llama'), sharing: true }

describe('tokenBatch', () => {
  const { arrays, layout } = tokenBatch([short, long], settings)
  const slot = (name: string) => Array.from(arrays[name]!.data).slice(0, layout.counted)

  it('puts short sequences side by side and leaves out the last token of each, which predicts nothing', () => {
    expect(arrays.ids!.shape).toEqual([1, 1, 14])
    const first = [20, 21, 22, 23, 24, 25, 26, 27, 28, 29]
    expect(Array.from(arrays.ids!.data)).toEqual([...first, 10, 11, 12, 0])
    expect(layout).toMatchObject({ rows: 1, length: 14, occupied: 13 })
  })

  it('labels counted tokens with the place before each', () => {
    expect(slot('labels')).toEqual([12, pad, 23, 24, 27, 28, 29, pad])
    expect(slot('rows')).toEqual([11, 12, 2, 3, 6, 7, 8, 9])
    expect(layout.spans).toEqual([
      { start: 0, count: 2 },
      { start: 2, count: 6 },
    ])
  })

  it('counts an end token that is the padding token, and no padding', () => {
    expect(slot('weights')).toEqual(new Array(8).fill(1))
    expect(layout.counted).toBe(8)
    const rest = Array.from(arrays.weights!.data).slice(layout.counted)
    expect(rest.every((weight) => weight === 0)).toBe(true)
    expect(layout.slots).toBeGreaterThanOrEqual(layout.counted)
  })

  it('never takes the first token for a label', () => {
    const whole = tokenBatch([{ ids: [5, 6, 7], weights: [1, 1, 1] }], settings)
    expect(whole.layout.counted).toBe(2)
    expect(Array.from(whole.arrays.labels!.data).slice(0, 2)).toEqual([6, 7])
  })

  it.each([true, false])(
    'keeps real labels on real places for any mix of lengths (sharing %s)',
    (sharing) => {
      for (let size = 1; size < 40; size += 3) {
        const sequences = Array.from({ length: 5 }, (_, row): Sequence => {
          const length = 2 + size * (1 + (row % 3))
          // Rows 0 and 3, and 1 and 4, begin alike.
          const ids = Array.from({ length }, (_, position) => 100 * (position < 9 ? row % 3 : row) + position)
          return { ids, weights: ids.map((_, position) => (position % (row + 1) === 0 ? 1 : 0)) }
        })
        const batch = tokenBatch(sequences, { ...settings, sharing })
        const { ids, rows, labels } = batch.arrays
        batch.layout.spans.forEach(({ start, count }, row) => {
          const { ids: tokens, weights } = sequences[row]!
          const counted = tokens.flatMap((_, at) => (at > 0 && weights[at] ? [at] : []))
          expect(count).toBe(counted.length)
          counted.forEach((position, each) => {
            expect(labels!.data[start + each]).toBe(tokens[position])
            expect(ids!.data[rows!.data[start + each]!]).toBe(tokens[position - 1])
          })
        })
      }
    },
  )
})

it('tells which slots are whose', () => {
  const { layout } = tokenBatch([short, long], settings)
  const { data, shape } = membership(layout)
  expect(shape).toEqual([2, layout.slots])
  const first = Array.from(data.slice(0, layout.slots))
  const second = Array.from(data.slice(layout.slots))
  expect(first.map((each, index) => (each ? index : -1)).filter((index) => index >= 0)).toEqual([0, 1])
  expect(second.map((each, index) => (each ? index : -1)).filter((index) => index >= 0)).toEqual([
    2, 3, 4, 5, 6, 7,
  ])
})

it('shares the loss among the counted tokens of the whole accumulated batch, by weight', () => {
  const emphasised: Sequence = { ids: [1, 2, 3], weights: [9, 1, 4] }
  const { arrays, layout } = tokenBatch([short], settings)
  const { shares, counts } = supervisedShares(arrays, layout, [short, emphasised])
  // Weights 1 + 1 and 1 + 4; the first token's weight never counts.
  expect(Array.from(shares!.data.slice(0, 2))).toEqual([1 / 7, 1 / 7].map(Math.fround))
  expect(Array.from(counts!.data.slice(0, 2))).toEqual([0.25, 0.25])
  expect(Array.from(shares!.data.slice(2)).every((share) => share === 0)).toBe(true)
})
