/** @file Adapters of every kind that PEFT made: the same logits, beside the weights and merged into them. */
import { beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../lm/checkpoint/folder.ts'
import { loadAdapter, mergeAdapter, mergedTensor } from '../../lm/model/adapter.ts'
import type { DecoderParameters } from '../../lm/model/decoder.ts'
import { loadModel } from '../../lm/model/model.ts'
import { type Tensor, tf } from '../../lm/tensor/tf.ts'
import { logitsOf } from './forward.ts'
import { largestDifference, loadReferenceModel, readReference, referencePath } from './reference.ts'
import { startOnnxBackend } from './start-onnx-backend.ts'

interface AdapterLogits {
  readonly input_ids: number[]
  /** The tokens whose logits are kept. */
  readonly tokens: number[]
  readonly adapters: Readonly<
    Record<
      string,
      {
        readonly model: string
        readonly logits: number[][]
        /** As in training, with the inputs left out at which (7 row + 3 column) % 5 is 0. */
        readonly dropped: number[][]
      }
    >
  >
}

const reference = readReference<AdapterLogits>('logits-adapters.json')

beforeAll(startOnnxBackend)

/** [position][token], at the tokens that the fixture keeps. */
function keptLogits(parameters: DecoderParameters): number[][] {
  const [rows] = logitsOf(parameters, [reference.input_ids])
  return rows!.map((row) => reference.tokens.map((token) => row[token]!))
}

describe.each(Object.entries(reference.adapters))('%s', (name, { model, logits: expected, dropped }) => {
  it('gives the logits of PEFT', () => {
    const ours = keptLogits(loadReferenceModel(model, name))
    expect(largestDifference(ours.flat(), expected.flat())).toBeLessThan(2e-5)
  })

  it('gives them with dropout', () => {
    const { adapter, ...rest } = loadReferenceModel(model, name)
    const drop = (_: string, x: Tensor) => {
      const [rows, columns] = x.shape as [number, number]
      const kept = Float32Array.from({ length: rows * columns }, (_, index) =>
        (7 * Math.floor(index / columns) + 3 * (index % columns)) % 5 === 0 ? 0 : 1 / 0.8,
      )
      return tf.mul(x, tf.tensor2d(kept, [rows, columns]))
    }
    const ours = keptLogits({ ...rest, adapter: { ...adapter!, drop } })
    expect(largestDifference(ours.flat(), dropped.flat())).toBeLessThan(2e-5)
    expect(largestDifference(dropped.flat(), expected.flat())).toBeGreaterThan(1e-3)
  })

  it('gives them merged into the weights, all at once or tensor by tensor', () => {
    const folder = referencePath(`models/${model}`)
    const base = loadModel(folder)
    const adapter = loadAdapter(referencePath(`adapters/${name}`), base.config)
    const merged = mergeAdapter(base, adapter, { consume: true })
    expect(largestDifference(keptLogits(merged).flat(), expected.flat())).toBeLessThan(2e-5)
    const checkpoint = openCheckpoint(folder)
    for (const [tensorName, weight] of Object.entries(merged.weights)) {
      const { data } = mergedTensor(adapter, tensorName, checkpoint.tensor(tensorName))
      expect(largestDifference(data, weight.dataSync())).toBe(0)
    }
  })
})
