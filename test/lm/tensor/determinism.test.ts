/** @file Equal inputs give equal bits, however the threads are scheduled. */
import { beforeAll, expect, it } from 'vitest'
import { createRandom } from '../../../lm/random.ts'
import { startDevice } from '../../../lm/tensor/device.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { type Tensor, tf } from '../../../lm/tensor/tf.ts'

beforeAll(() => startDevice('cpu', 2))

const random = createRandom('determinism')
const normal = (...shape: number[]) =>
  tf.tensor(
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => random.normal()),
    shape,
  )
/** Many rows of few segments: threads that add to one row at once would lose some of it. */
const segments = Int32Array.from({ length: 1024 }, (_, row) => (row * 31) % 64)
const ids = () => tf.tensor1d(segments, 'int32')

const kernels: readonly [string, (x: Tensor) => Tensor, number[]][] = [
  ['segment sum', (x) => tf.unsortedSegmentSum(x, ids(), 64), [1024, 576]],
  ['gradient of gather', (x) => tf.grad((e) => tf.sum(tf.square(tf.gather(e, ids()))))(x), [64, 576]],
  ['matrix product', (x) => tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D, true, false), [1024, 128]],
  ['sum of all', (x) => tf.sum(x), [2_000_000]],
  ['mean of rows', (x) => tf.mean(tf.square(x), -1), [1024, 576]],
  ['log-softmax', (x) => tf.logSoftmax(x), [64, 8192]],
]

it.each(kernels)('%s: twelve runs, one result', (_, compute, shape) => {
  const x = normal(...shape)
  const run = jit(({ x }: { x: Tensor }) => ({ y: compute(x) }))
  const results = Array.from({ length: 12 }, () => run({ x }).y.dataSync())
  for (const result of results) expect(Buffer.compare(bytes(result), bytes(results[0]!))).toBe(0)
})

it('a segment sum loses nothing', () => {
  const x = normal(1024, 576)
  const sums = tf.unsortedSegmentSum(x, ids(), 64).dataSync()
  const values = x.dataSync()
  const expected = new Float64Array(64 * 576)
  for (let row = 0; row < 1024; row++) {
    for (let column = 0; column < 576; column++) {
      expected[segments[row]! * 576 + column]! += values[row * 576 + column]!
    }
  }
  const largest = expected.reduce((most, value, index) => Math.max(most, Math.abs(value - sums[index]!)), 0)
  expect(largest).toBeLessThan(1e-5)
})

function bytes(values: ArrayLike<number>): Buffer {
  const { buffer, byteOffset, byteLength } = values as Float32Array
  return Buffer.from(buffer, byteOffset, byteLength)
}
