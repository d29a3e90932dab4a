import { beforeAll, expect, it } from 'vitest'
import { rmsNorm } from '../../../lm/model/rms-norm.ts'
import { createRandom } from '../../../lm/random.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { rmsNormalisation } from '../../../lm/tensor/lowerings/normalisation.ts'
import { type Tensor, type TensorMap, tf } from '../../../lm/tensor/tf.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

beforeAll(startOnnxBackend)

const kernel = (x: Tensor, weight: Tensor, epsilon: number): Tensor =>
  tf.engine().runKernel(rmsNormalisation, { x, weight }, { epsilon })

it.each([
  [[3, 8], 1e-5],
  [[2, 5, 4, 16], 1e-6],
  [[1, 576], 1e-5],
])('the norm of %j in one operator is that of its steps', (shape, epsilon) => {
  const random = createRandom(`norm ${shape}`)
  const draw = (shape: number[]) =>
    tf.tensor(
      Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
      shape,
    )
  const [x, weight] = [draw(shape), draw(shape.slice(-1))]
  const expected = rmsNorm(x, weight, epsilon).dataSync()
  const eager = kernel(x, weight, epsilon).dataSync()
  const run = jit(({ x, weight }: TensorMap) => ({ y: kernel(x!, weight!, epsilon) }))
  const traced = run({ x, weight }).y.dataSync()
  for (const ours of [eager, traced])
    ours.forEach((value, index) => {
      expect(Math.abs(value - expected[index]!)).toBeLessThan(2e-6)
    })
  run.dispose()
})
