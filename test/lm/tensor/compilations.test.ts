import { beforeAll, expect, it } from 'vitest'
import { compilations, describeCompilations } from '../../../lm/tensor/compilations.ts'
import { startDevice } from '../../../lm/tensor/device.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { type Tensor, tf } from '../../../lm/tensor/tf.ts'

beforeAll(() => startDevice('cpu', 1))

it('what is compiled is recorded: which graph, why again, how long it took', () => {
  expect(describeCompilations()).toBeUndefined()
  const double = jit(({ x, y }: { x: Tensor; y: Tensor }) => ({ z: tf.add(tf.mul(x, 2), y) }), {
    name: 'double',
  })
  const call = (length: number) =>
    tf.tidy(() => tf.dispose(double({ x: tf.zeros([length]), y: tf.zeros([1]) })))
  call(2)
  call(2)
  expect(describeCompilations()).toMatch(
    /^compiled 1 graph in \d+\.\d s \(tracing \d+\.\d, building \d+\.\d\)$/,
  )
  call(3)
  tf.add(1, 2).dispose()
  expect(compilations()).toMatchObject([
    { name: 'double', shapes: ['x float32[2]', 'y float32[1]'], retrace: false, operators: 2 },
    { name: 'double', shapes: ['x float32[3]'], retrace: true, operators: 2 },
  ])
  for (const { tracingMs, buildingMs } of compilations()) {
    expect(tracingMs).toBeGreaterThan(0)
    expect(buildingMs).toBeGreaterThan(0)
  }
  expect(describeCompilations()).toMatch(
    /^compiled 2 graphs in .*, 1 of them for further shapes: double x float32\[3\]$/,
  )
  for (let length = 4; length < 10; length++) call(length)
  expect(describeCompilations()).toMatch(/, 7 of them .* x float32\[6\]; \.\.\.$/)
  double.dispose()
})
