import { beforeAll, describe, expect, it } from 'vitest'
import { jit } from '../../../lm/tensor/jit.ts'
import { registerOnnxBackend } from '../../../lm/tensor/onnx-backend.ts'
import { stopGradient } from '../../../lm/tensor/stop-gradient.ts'
import { type Tensor, type TensorMap, tf } from '../../../lm/tensor/tf.ts'
import { between, type CaseInput, normal, toTensor } from './kernel-case.ts'

beforeAll(async () => {
  registerOnnxBackend()
  await tf.setBackend('onnx')
})

/** Half the width of the central difference; float32 leaves about four digits of it. */
const step = 1 / 64

/** Derivatives of compiled functions against central differences of the same functions. */
function compare(
  fn: (x: Tensor) => Tensor,
  input: CaseInput,
): { derivatives: number[]; differences: number[] } {
  const value = jit(({ x }: TensorMap) => ({ y: fn(x!) }))
  const gradient = jit(({ x }: TensorMap) => ({ dx: tf.grad((x) => tf.sum(fn(x)))(x!) }))
  const found = { derivatives: [] as number[], differences: [] as number[] }
  tf.tidy(() => {
    const at = (values: readonly number[]) => {
      const result = value({ x: toTensor({ ...input, values }) }).y
      return Array.from(result.dataSync()).reduce((sum, each) => sum + each, 0)
    }
    found.differences = input.values.map((_, index) => {
      const moved = (by: number) => input.values.map((each, other) => (other === index ? each + by : each))
      return (at(moved(step)) - at(moved(-step))) / (2 * step)
    })
    found.derivatives = Array.from(gradient({ x: toTensor(input) }).dx.dataSync())
  })
  value.dispose()
  gradient.dispose()
  return found
}

const weights = (shape: readonly number[]) => toTensor(normal(shape, 7))

const functions: Readonly<Record<string, readonly [CaseInput, (x: Tensor) => Tensor]>> = {
  'rms norm and a product': [
    normal([3, 4]),
    (x) => tf.matMul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5))), weights([4, 5])),
  ],
  'log softmax of picked rows': [
    normal([4, 5]),
    (x) => tf.mul(tf.logSoftmax(tf.gather(x, tf.tensor1d([2, 0, 2], 'int32'))), weights([3, 5])),
  ],
  'softmax attention': [
    normal([2, 3, 4]),
    (x) => tf.matMul(tf.softmax(tf.matMul(x, x, false, true)), tf.mul(x, weights([2, 3, 4]))),
  ],
  'swish and split': [
    normal([2, 6]),
    (x) => {
      const [gate, up] = tf.split(x, 2, 1)
      return tf.mul(tf.mul(gate!, tf.sigmoid(gate!)), up!)
    },
  ],
  'softplus of a difference': [normal([6]), (x) => tf.softplus(tf.sub(tf.mul(x, weights([6])), 0.3))],
  'a power of a quotient': [between(0.5, 2, [6]), (x) => tf.pow(tf.div(weights([6]), x), 2)],
  'a transpose, a slice, a pad': [
    normal([3, 4]),
    (x) => {
      const padded = tf.pad(tf.slice(tf.transpose(x), [1, 0], [2, 3]), [
        [1, 0],
        [0, 2],
      ])
      return tf.mul(tf.tanh(padded), weights([3, 5]))
    },
  ],
  'a running sum': [normal([2, 4]), (x) => tf.square(tf.cumsum(x, 1))],
}

describe('derivatives are those of central differences', () => {
  it.each(Object.entries(functions))('%s', (_, [input, fn]) => {
    const { derivatives, differences } = compare(fn, input)
    derivatives.forEach((derivative, index) => {
      const difference = differences[index]!
      expect(Math.abs(derivative - difference)).toBeLessThan(2e-3 * Math.max(1, Math.abs(difference)))
    })
  })
})

it('stopGradient is the identity and has no derivative', () => {
  const fn = (x: Tensor) => tf.mul(x, stopGradient(tf.square(x)))
  const compiled = jit(({ x }: TensorMap) => ({ y: fn(x!), dx: tf.grad((x) => tf.sum(fn(x)))(x!) }))
  const { y, dx } = compiled({ x: tf.tensor1d([2, 3]) })
  expect([Array.from(y.dataSync()), Array.from(dx.dataSync())]).toEqual([
    [8, 27],
    [4, 9],
  ])
})
