/** @file Packed rows: which documents share one, and that none of them notices. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { Sequence } from '../../../lm/batches/sequence.ts'
import { tokenBatch } from '../../../lm/batches/token-batch.ts'
import type { DecoderParameters } from '../../../lm/model/decoder.ts'
import { upload } from '../../../lm/tensor/host-tensor.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import type { TensorMap } from '../../../lm/tensor/tf.ts'
import { scoreLabels } from '../../../lm/training/forward.ts'
import { bestFitDecreasing, pack, wrap } from '../../../lm/training/packing.ts'
import { loadReferenceModel } from '../reference.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'
import { sequences } from './small-training.ts'

beforeAll(startOnnxBackend)

describe('best-fit decreasing', () => {
  it('puts the longest first, each into the fullest row that has room', () => {
    expect(bestFitDecreasing([3, 7, 2, 5, 3], 10)).toEqual([
      [1, 0],
      [3, 4, 2],
    ])
    expect(bestFitDecreasing([4, 10, 6], 10)).toEqual([[1], [2, 0]])
    expect(bestFitDecreasing([], 10)).toEqual([])
    expect(bestFitDecreasing([0, 3], 10)).toEqual([[1]])
  })

  it('keeps every document once and no row over its capacity', () => {
    const lengths = Array.from({ length: 200 }, (_, index) => 1 + ((index * 37) % 64))
    const rows = bestFitDecreasing(lengths, 64)
    expect(rows.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, index) => index))
    const sizes = rows.map((row) => row.reduce((sum, index) => sum + lengths[index]!, 0))
    expect(Math.max(...sizes)).toBeLessThanOrEqual(64)
    // No more than one row in a hundred over what the tokens need.
    expect(rows.length).toBeLessThanOrEqual(Math.ceil((sizes.reduce((a, b) => a + b, 0) / 64) * 1.01))
  })
})

it('wrapping fills every row, and cuts where one ends', () => {
  expect(wrap([3, 0, 6, 2], 4)).toEqual([
    [
      { document: 0, start: 0, end: 3 },
      { document: 2, start: 0, end: 1 },
    ],
    [{ document: 2, start: 1, end: 5 }],
    [
      { document: 2, start: 5, end: 6 },
      { document: 3, start: 0, end: 2 },
    ],
  ])
})

describe('a packed row', () => {
  const counting: Sequence[] = [
    { ids: [5, 6, 7], weights: [1, 1, 1] },
    { ids: [8, 9, 10, 11], weights: [0, 0, 1, 1] },
  ]

  it("counts no document's first token: nothing before predicts it", () => {
    expect(pack(counting, 8, 'bfd')).toEqual([
      { ids: [8, 9, 10, 11, 5, 6, 7], weights: [0, 0, 1, 1, 0, 1, 1], documents: [4, 3] },
    ])
    expect(pack(counting, 5, 'wrapped')).toEqual([
      { ids: [5, 6, 7, 8, 9], weights: [0, 1, 1, 0, 0], documents: [3, 2] },
      // The weight of 10, which it begins with, is lost.
      { ids: [10, 11], weights: [0, 1], documents: [2] },
    ])
  })

  it('is left out where none of its tokens counts', () => {
    expect(pack([{ ids: [1, 2, 3, 4], weights: [0, 0, 1, 0] }], 2, 'wrapped')).toEqual([])
  })
})

/** The log-probability of each counted token, by its document. */
function logpsOf(parameters: DecoderParameters, rows: readonly Sequence[]): number[] {
  const { arrays, layout } = tokenBatch(rows, { config: parameters.config, sharing: true })
  const run = jit((batch: TensorMap) => ({ logps: scoreLabels(parameters, batch).logps }))
  const { logps } = run(upload(arrays))
  return [...logps!.dataSync().slice(0, layout.counted)]
}

describe('the loss of each token in a packed row', () => {
  const sparse = sequences(9)
  const rows = [...sparse.slice(0, 4), { ids: sparse[4]!.ids, weights: sparse[4]!.ids.map(() => 1) }]

  it.each(['full', 'sliding'] as const)('is what it is in a row of its own (%s attention)', (kind) => {
    const loaded = loadReferenceModel('qwen2', 'qwen2')
    const config = {
      ...loaded.config,
      window: 4,
      layerKinds: loaded.config.layerKinds.map((_, layer) => (layer === 0 ? kind : 'full')),
      rotary: { full: loaded.config.rotary.full, sliding: loaded.config.rotary.full },
    }
    const parameters = { ...loaded, config }
    const packed = pack(rows, 40, 'bfd')
    expect(packed.map(({ documents }) => documents!.length)).toEqual([3, 2])
    const order = bestFitDecreasing(
      rows.map(({ ids }) => ids.length),
      40,
    ).flat()
    const apart = order.flatMap((index) => logpsOf(parameters, [rows[index]!]))
    const together = logpsOf(parameters, packed)
    expect(together).toHaveLength(apart.length)
    together.forEach((logp, index) => {
      expect(Math.abs(logp - apart[index]!) / Math.abs(apart[index]!)).toBeLessThan(1e-6)
    })
  })
})
