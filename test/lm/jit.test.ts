import { beforeAll, describe, expect, it } from 'vitest'
import { jit } from '../../lm/tensor/jit.ts'
import { registerOnnxBackend } from '../../lm/tensor/onnx-backend.ts'
import { tf } from '../../lm/tensor/tf.ts'

beforeAll(async () => {
  registerOnnxBackend()
  await tf.setBackend('onnx')
})

const numbers = (tensor: tf.Tensor) => Array.from(tensor.dataSync())

describe('jit', () => {
  it('compiles a function once a shape and gives what eager gives', () => {
    const fn = jit(({ x, y }: { x: tf.Tensor; y: tf.Tensor }) => ({ z: tf.add(tf.mul(x, 2), y) }))
    const x = tf.tensor1d([1, 2, 3])
    const y = tf.tensor1d([10, 20, 30])
    expect(numbers(fn({ x, y }).z)).toEqual([12, 24, 36])
    expect(numbers(fn({ x: y, y: x }).z)).toEqual([21, 42, 63])
    expect(fn.traces).toBe(1)
    expect(numbers(fn({ x: tf.tensor1d([1]), y: tf.tensor1d([1]) }).z)).toEqual([3])
    expect(fn.traces).toBe(2)
  })

  it('keeps apart arguments that share a buffer when traced', () => {
    const fn = jit(({ x, y }: { x: tf.Tensor; y: tf.Tensor }) => ({ z: tf.sub(x, y) }))
    const same = tf.tensor1d([5])
    expect(numbers(fn({ x: same, y: same }).z)).toEqual([0])
    expect(numbers(fn({ x: tf.tensor1d([7]), y: tf.tensor1d([4]) }).z)).toEqual([3])
  })

  it('reads tensors that it closes over anew at each call', () => {
    const weight = tf.variable(tf.tensor1d([1, 2]))
    const fn = jit(({ x }: { x: tf.Tensor }) => ({ y: tf.sum(tf.mul(x, weight)) }))
    expect(numbers(fn({ x: tf.tensor1d([1, 1]) }).y)).toEqual([3])
    weight.assign(tf.tensor1d([10, 20]))
    expect(numbers(fn({ x: tf.tensor1d([1, 1]) }).y)).toEqual([30])
  })

  it('traces gradients', () => {
    const fn = jit(({ w, x }: { w: tf.Tensor; x: tf.Tensor }) => {
      const { value, grad } = tf.valueAndGrad((weight: tf.Tensor) => {
        return tf.mean(tf.square(tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D))) as tf.Scalar
      })(w)
      return { value, grad }
    })
    const { value, grad } = fn({ w: tf.tensor2d([1, 2], [2, 1]), x: tf.tensor2d([1, 0, 0, 1], [2, 2]) })
    expect(numbers(value)).toEqual([2.5])
    expect(numbers(grad)).toEqual([1, 2])
  })

  it('refuses to read numbers while tracing', () => {
    const fn = jit(({ x }: { x: tf.Tensor }) => ({ y: tf.mul(x, tf.sum(x).dataSync()[0]!) }))
    expect(() => fn({ x: tf.tensor1d([1, 2]) })).toThrow(/must not read a tensor's numbers/)
    expect(numbers(tf.add(1, 2))).toEqual([3])
  })

  it('returns an argument, a constant and one value under two names', () => {
    const fn = jit(({ x }: { x: tf.Tensor }) => {
      const y = tf.add(x, 1)
      return { x, constant: tf.ones([2, 2]), y, again: y }
    })
    const out = fn({ x: tf.tensor1d([4]) })
    expect([out.x, out.constant, out.y, out.again].map(numbers)).toEqual([[4], [1, 1, 1, 1], [5], [5]])
  })
})
