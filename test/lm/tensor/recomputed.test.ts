import { beforeAll, expect, it } from 'vitest'
import { createRandom } from '../../../lm/random.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { recomputed } from '../../../lm/tensor/recomputed.ts'
import { type Tensor, type TensorMap, tf } from '../../../lm/tensor/tf.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

beforeAll(startOnnxBackend)

/** Two outputs, one of them through a value that the gradient needs again. */
function outputs(x: Tensor, w: Tensor): Tensor[] {
  const inner = tf.sigmoid(tf.matMul(x, w))
  return [tf.mul(inner, inner), tf.matMul(inner, w)]
}

it('gradients are those of what is kept, in inputs and weights', () => {
  const random = createRandom('recomputed')
  const draw = (rows: number, columns: number) =>
    tf.tensor2d(
      Float32Array.from({ length: rows * columns }, () => random.normal() / 8),
      [rows, columns],
    )
  const [x, w] = [draw(1100, 64), draw(64, 64)]
  const gradientsOf = (compute: (x: Tensor, w: Tensor) => Tensor[]) =>
    jit(({ x, w }: TensorMap) => {
      const loss = (x: Tensor, w: Tensor) => {
        const [a, b] = compute(x, w) as [Tensor, Tensor]
        return tf.add(tf.mean(tf.square(a)), tf.mean(tf.square(b)))
      }
      const [dx, dw] = tf.grads(loss as (...xs: Tensor[]) => Tensor)([x!, w!]) as [Tensor, Tensor]
      return { dx, dw }
    })({ x, w })
  const kept = gradientsOf(outputs)
  const anew = gradientsOf((x, w) =>
    recomputed({ x }, { w }, (inputs, weights) => outputs(inputs.x!, weights.w!)),
  )
  for (const name of ['dx', 'dw'] as const) {
    const expected = Array.from(kept[name].dataSync())
    const scale = Math.max(...expected.map(Math.abs))
    expect(scale).toBeGreaterThan(0)
    Array.from(anew[name].dataSync()).forEach((value, index) => {
      expect(Math.abs(value - expected[index]!) / scale).toBeLessThan(1e-6)
    })
  }
})
