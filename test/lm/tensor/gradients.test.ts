/** @file The reference's gradients, which the contract suite holds every backend to, are those of central differences. */
import '@tensorflow/tfjs-backend-cpu'
import { beforeAll, describe, expect, it } from 'vitest'
import { startDevice } from '../../../lm/tensor/device.ts'
import { jit } from '../../../lm/tensor/jit.ts'
import { stopGradient } from '../../../lm/tensor/stop-gradient.ts'
import { type Tensor, tf } from '../../../lm/tensor/tf.ts'
import { kernelCases } from './cases/index.ts'
import { type Content, expectedOf, gradientsOf, valuesOf, variablesOf } from './contract.ts'
import { type KernelCase, normal } from './kernel-case.ts'

/** Half the width of the difference; float32 leaves about four digits of it. */
const step = 1 / 64

/** The sum of the results, each weighted as `gradientsOf` weights it. */
function weightedSum(row: KernelCase): number {
  return valuesOf(row, 'eager').reduce((sum, { shape, values }, index) => {
    const weights = normal(shape, 90 + index).values
    return values.reduce((sofar, value, position) => sofar + value * weights[position]!, sum)
  }, 0)
}

/** The derivative by one element of an input. */
function centralDifference(row: KernelCase, variable: number, index: number): number {
  const input = row.inputs[variable]!
  const at = (by: number) => {
    const values = input.values.with(index, input.values[index]! + by)
    return weightedSum({ ...row, inputs: row.inputs.with(variable, { ...input, values }) })
  }
  return (at(step) - at(-step)) / (2 * step)
}

/** At most `count` positions, from the first to the last. */
function spread(length: number, count: number): number[] {
  if (length <= count) return Array.from({ length }, (_, index) => index)
  return Array.from({ length: count }, (_, index) => Math.round((index * (length - 1)) / (count - 1)))
}

const differentiated = kernelCases.flatMap((row) =>
  row.reference === undefined && row.noDifferences === undefined && row.gradients?.length !== 0 ? [row] : [],
)

describe('the gradients of the reference', () => {
  beforeAll(() => tf.setBackend('cpu'))

  it.each(differentiated.map((row) => [row.kernel, row.title, row] as const))('%s: %s', (_, __, row) => {
    const results: Content[] = expectedOf(row)
    const variables = variablesOf(row, results)
    const gradients = variables.length === 0 ? [] : gradientsOf(row, variables, results, 'random', 'eager')
    const wrong = variables.flatMap((variable, place) =>
      spread(row.inputs[variable]!.values.length, 12).flatMap((index) => {
        const difference = centralDifference(row, variable, index)
        const derivative = gradients[place]!.values[index]!
        const near = Math.abs(derivative - difference) < 2e-3 * Math.max(1, Math.abs(difference))
        return near ? [] : [`input ${variable} [${index}]: ${derivative}, not ${difference}`]
      }),
    )
    expect(wrong).toEqual([])
  })
})

it('stopGradient is the identity and has no derivative', async () => {
  await startDevice('cpu', 1)
  const fn = (x: Tensor) => tf.mul(x, stopGradient(tf.square(x)))
  const compiled = jit(({ x }: { x: Tensor }) => ({ y: fn(x), dx: tf.grad((x) => tf.sum(fn(x)))(x) }))
  const { y, dx } = compiled({ x: tf.tensor1d([2, 3]) })
  expect([Array.from(y.dataSync()), Array.from(dx.dataSync())]).toEqual([
    [8, 27],
    [4, 9],
  ])
})
