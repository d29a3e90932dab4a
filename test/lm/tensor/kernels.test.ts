import '@tensorflow/tfjs-backend-cpu'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { lowerings } from '../../../lm/tensor/lowerings/index.ts'
import { backendName, OnnxBackend, registerOnnxBackend } from '../../../lm/tensor/onnx-backend.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { arithmetic } from './cases/arithmetic.ts'
import { constants } from './cases/constants.ts'
import { functionsOfOne } from './cases/functions.ts'
import { indexing } from './cases/indexing.ts'
import { products } from './cases/products.ts'
import { reductionsAndSoftmax } from './cases/reductions.ts'
import { shaping } from './cases/shaping.ts'
import { differences, expectedOf, gradientsOf, valuesOf, variablesOf } from './contract.ts'

const cases = [
  ...arithmetic,
  ...functionsOfOne,
  ...shaping,
  ...reductionsAndSoftmax,
  ...products,
  ...indexing,
  ...constants,
]

// Only looks on, to see which lowerings a case reaches.
const execute = vi.spyOn(OnnxBackend.prototype, 'execute')

beforeAll(() => registerOnnxBackend())

async function on<T>(backend: string, run: () => T): Promise<T> {
  await tf.setBackend(backend)
  return run()
}

describe.each([...new Set(cases.map((row) => row.kernel))])('%s', (kernel) => {
  const rows = cases.filter((row) => row.kernel === kernel)
  it.each(rows.map((row) => [row.title, row] as const))('%s', async (_, row) => {
    const reference = await on('cpu', () => expectedOf(row))
    const variables = variablesOf(row, reference)
    const weightings = variables.length === 0 ? [] : (['uniform', 'random'] as const)
    const gradients = await on('cpu', () =>
      weightings.map((weighting) => gradientsOf(row, variables, reference, weighting, false)),
    )

    const found = await on(backendName, () => {
      const buffers = tf.backend().numDataIds()
      const found = [false, true].flatMap((traced) => {
        const mode = traced ? 'traced' : 'eager'
        execute.mockClear()
        const values = valuesOf(row, traced)
        const reached = execute.mock.calls.some(([kernel]) => kernel === row.kernel)
        return [
          ...(reached ? [] : [`${mode}: does not reach ${row.kernel}`]),
          ...differences(reference, values, row.absolute).map((text) => `${mode}: ${text}`),
          ...weightings.flatMap((weighting, index) =>
            differences(
              gradients[index]!,
              gradientsOf(row, variables, reference, weighting, traced),
              row.absolute,
            ).map((text) => `${mode}, ${weighting} gradient: ${text}`),
          ),
        ]
      })
      const left = tf.backend().numDataIds() - buffers
      return left === 0 ? found : [...found, `${left} buffers left`]
    })
    expect(found).toEqual([])
  })
})

it('every lowering has a case', () => {
  const covered = new Set(cases.map((row) => row.kernel))
  expect(Object.keys(lowerings).filter((kernel) => !covered.has(kernel))).toEqual([])
})
