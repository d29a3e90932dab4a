/** @file Products with rounded matrices against exact ones, several matrices one below the other. */
import { beforeAll, expect, it } from 'vitest'
import { tellsVnni } from '../../../lm/tensor/exact-bytes.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { quantisedProduct } from '../../../lm/tensor/lowerings/quantised-product.ts'
import { quantise } from '../../../lm/tensor/quantise.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

beforeAll(startOnnxBackend)

it.each([
  [8, 0.02],
  [4, 0.1],
] as const)('of %d bits stay within %d of the size of the exact product', (bits, tolerance) => {
  for (const [rows, size, outs] of [
    [1, 64, [96]],
    [5, 200, [7, 130]],
    [40, 576, [192, 64, 64]],
  ] as const) {
    const x = tf.randomNormal([rows, size], 0, 3, 'float32', 1)
    const parts = outs.map((out, index) => tf.randomNormal([out, size], 0, 0.1, 'float32', 2 + index))
    const numbers = parts.map((part) => part.dataSync() as Float32Array)
    const matrix = quantise(numbers, size, bits)
    const attributes = { matrix } as unknown as tf.NamedAttrMap
    const run = jit(({ x }: { x: tf.Tensor }) => ({
      y: tf.engine().runKernel(quantisedProduct, { x }, attributes) as tf.Tensor,
    }))
    const exact = tf.matMul(x, tf.concat(parts, 0), false, true)
    const { y } = run({ x })
    expect(y.shape).toEqual(exact.shape)
    const error = tf.norm(tf.sub(y, exact)).dataSync()[0]!
    expect(error / tf.norm(exact).dataSync()[0]!).toBeLessThan(tolerance)
    run.dispose()
  }
})

it('of a row of zeros is zero', () => {
  const matrix = quantise([Float32Array.from({ length: 64 }, (_, at) => at - 30)], 32, 8)
  const attributes = { matrix } as unknown as tf.NamedAttrMap
  const run = jit(({ x }: { x: tf.Tensor }) => ({
    y: tf.engine().runKernel(quantisedProduct, { x }, attributes) as tf.Tensor,
  }))
  expect([...run({ x: tf.zeros([1, 32]) }).y.dataSync()]).toEqual([0, 0])
  run.dispose()
})

it('of the largest bytes do not saturate, on whatever processor', () => {
  const [size, out] = [576, 64]
  const matrix = quantise([new Float32Array(size * out).fill(0.5)], size, 8)
  const attributes = { matrix } as unknown as tf.NamedAttrMap
  const run = jit(({ x }: { x: tf.Tensor }) => ({
    y: tf.engine().runKernel(quantisedProduct, { x }, attributes) as tf.Tensor,
  }))
  for (const each of run({ x: tf.ones([3, size]) }).y.dataSync()) expect(each).toBeCloseTo(size / 2, 2)
  run.dispose()
})

it('take the exact way where the processor does not name VNNI', () => {
  expect(tellsVnni('processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni amx_int8\n')).toBe(true)
  expect(tellsVnni('processor\t: 0\nflags\t\t: fpu avx2 avx_vnni\n')).toBe(true)
  expect(tellsVnni('processor\t: 0\nflags\t\t: fpu avx2 avx512f\n')).toBe(false)
  expect(tellsVnni('')).toBe(false)
})
