/** @file Matrices held in 8 bits: how near they are, and that everything computed from them, gradients included, is exact. */
import { beforeAll, describe, expect, it } from 'vitest'
import { createRandom } from '../../../lm/random.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { currentOnnxBackend } from '../../../lm/tensor/onnx-backend.ts'
import { roundRows, spreadOut } from '../../../lm/tensor/rounded-matrix.ts'
import { type Tensor, type TensorMap, tf } from '../../../lm/tensor/tf.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

beforeAll(startOnnxBackend)

const random = createRandom('rounded')
const normal = (length: number) => Float32Array.from({ length }, () => random.normal())
const numbers = (tensor: Tensor) => Array.from(tensor.dataSync())

describe('a rounded matrix', () => {
  it('is within half a step of each row', () => {
    const data = normal(6 * 40)
    data.fill(0, 40, 80)
    const rounded = roundRows(data, 40)
    const spread = spreadOut(rounded)
    for (let at = 0; at < data.length; at++) {
      const step = rounded.scales[Math.floor(at / 40)]!
      expect(Math.abs(spread[at]! - data[at]!)).toBeLessThanOrEqual(0.5001 * step)
    }
    expect(Array.from(spread.subarray(40, 80))).toEqual(new Array(40).fill(0))
    for (let row = 0; row < 6; row++) {
      const largest = (values: Float32Array) =>
        Math.max(...values.subarray(row * 40, row * 40 + 40).map(Math.abs))
      expect(largest(spread)).toBeCloseTo(largest(data), 5)
    }
  })

  it('computes as the matrix that it stands for: values and gradients are equal to the last bit', () => {
    const data = normal(12 * 20)
    const x = tf.tensor2d(normal(7 * 20), [7, 20])
    const held = currentOnnxBackend()!.rounded(data, [12, 20])
    const plain = tf.tensor2d(spreadOut(roundRows(data, 20)), [12, 20])
    const compute = (weight: Tensor) => {
      const loss = (x: Tensor) =>
        tf.sum(tf.square(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D, false, true)))
      const compiled = jit(({ x }: TensorMap) => {
        const { value, grad } = tf.valueAndGrad(loss as (x: Tensor) => tf.Scalar)(x!)
        return { value, grad, flat: tf.slice(tf.reshape(weight, [-1]), [3], [9]) }
      })
      const results = compiled({ x })
      compiled.dispose()
      return Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, numbers(tensor)]))
    }
    expect(compute(held)).toEqual(compute(plain))
    expect(numbers(tf.matMul(x, held as tf.Tensor2D, false, true))).toEqual(
      numbers(tf.matMul(x, plain, false, true)),
    )
    expect(numbers(held)).toEqual(numbers(plain))
  })

  it('goes with its last tensor', () => {
    const before = tf.memory().numDataBuffers
    const held = currentOnnxBackend()!.rounded(normal(8), [2, 4])
    const again = tf.reshape(held, [8])
    held.dispose()
    expect(numbers(again).length).toBe(8)
    again.dispose()
    expect(tf.memory().numDataBuffers).toBe(before)
  })
})
