/** @file Dropout of adapters' inputs: its share, its independence, and that place and seed alone decide. */
import { beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../../lm/checkpoint/folder.ts'
import { decoderConfig } from '../../../lm/model/config.ts'
import { plainLora } from '../../../lm/model/lora.ts'
import { allTargets, loraModules } from '../../../lm/model/lora-modules.ts'
import { upload } from '../../../lm/tensor/host-tensor.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { dropoutArrays, droppedInputs } from '../../../lm/training/adapter-dropout.ts'
import { largestDifference, referencePath } from '../reference.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

const folder = referencePath('models/llama')
const config = decoderConfig(openCheckpoint(folder).config, folder)
const modules = loraModules(config, { ...plainLora, r: 4, alpha: 8, targets: allTargets })
const shape = { rows: 8, length: 64, querySpans: 2 }
const rows = shape.rows * shape.length
const width = config.hiddenSize

beforeAll(startOnnxBackend)

/** What is left of inputs that are all 1, [rows * width]. */
function left(
  module: string,
  rate: number,
  seed = 0,
  place = { update: 0, micro: 0, pass: 0 },
): Float32Array {
  return tf.tidy(() => {
    const batch = upload(dropoutArrays(modules, config, shape, seed, place))
    const drop = droppedInputs(modules, rate, batch)!
    return Float32Array.from(drop(module, tf.ones([rows, width])).dataSync())
  })
}

const correlation = (a: Float32Array, b: Float32Array) => {
  const mean = (values: Float32Array) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [meanA, meanB] = [mean(a), mean(b)]
  const product = (x: Float32Array, meanX: number, y: Float32Array, meanY: number) =>
    x.reduce((sum, value, index) => sum + (value - meanX) * (y[index]! - meanY), 0)
  return product(a, meanA, b, meanB) / Math.sqrt(product(a, meanA, a, meanA) * product(b, meanB, b, meanB))
}

const [query, key] = ['model.layers.0.self_attn.q_proj', 'model.layers.0.self_attn.k_proj']

describe('dropout', () => {
  it.each([0.05, 0.1, 0.5])('leaves out a share of %f and keeps the mean', (rate) => {
    const values = left(query, rate)
    const dropped = values.filter((value) => value === 0).length / values.length
    // Six standard deviations of a share among so many.
    expect(Math.abs(dropped - rate)).toBeLessThan(6 * Math.sqrt((rate * (1 - rate)) / values.length))
    expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / (1 - rate))]))
  })

  it('spreads over rows and columns as independent draws do', () => {
    const rate = 0.1
    const values = left(query, rate)
    const variance = (counts: number[], trials: number) =>
      counts.reduce((sum, count) => sum + (count - rate * trials) ** 2, 0) /
      counts.length /
      (rate * (1 - rate) * trials)
    const byRow = new Array<number>(rows).fill(0)
    const byColumn = new Array<number>(width).fill(0)
    values.forEach((value, index) => {
      if (value !== 0) return
      byRow[Math.floor(index / width)]!++
      byColumn[index % width]!++
    })
    // A variance over that of a binomial: 1, give or take four deviations.
    expect(Math.abs(variance(byRow, width) - 1)).toBeLessThan(4 * Math.sqrt(2 / rows))
    expect(Math.abs(variance(byColumn, rows) - 1)).toBeLessThan(4 * Math.sqrt(2 / width))
  })

  it("is each module's and each place's own, and no neighbour's", () => {
    const values = left(query, 0.5)
    const limit = 5 / Math.sqrt(values.length)
    const others = [
      left(key, 0.5),
      left(query, 0.5, 1),
      left(query, 0.5, 0, { update: 1, micro: 0, pass: 0 }),
      left(query, 0.5, 0, { update: 0, micro: 1, pass: 0 }),
      left(query, 0.5, 0, { update: 0, micro: 0, pass: 1 }),
    ]
    for (const other of others) expect(Math.abs(correlation(values, other))).toBeLessThan(limit)
    for (const distance of [1, 2, width, 2 * width]) {
      const shifted = [values.subarray(distance), values.subarray(0, -distance)] as const
      expect(Math.abs(correlation(...shifted))).toBeLessThan(limit)
    }
    expect(largestDifference(left(query, 0.5), values)).toBe(0)
  })

  it('is absent where a batch carries none', () => {
    expect(droppedInputs(modules, 0.5, {})).toBeUndefined()
  })
})
