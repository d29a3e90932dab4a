/**
 * @file The contract suite: every kernel case on one backend, values and gradients, against TensorFlow.js's own `cpu`
 * backend (relative error 1e-5). A backend runs it from a test file of its own, here `kernels.test.ts`:
 *
 *     contractSuite({ name: 'ONNX Runtime, cpu', start: () => startDevice('cpu', 2), modes: ['eager', 'traced'] })
 *
 * `start` makes the backend the current one; it is called once, and the suite then goes to and fro between it and the
 * reference. `modes` has `traced` where `jit` compiles. A file whose device cannot be had calls `describe.skip` with the
 * reason instead. What a backend is known to do otherwise stands in `except`, a line a case or a kernel, with its reason.
 * New cases go to `cases/`, for all backends at once; `gradients.test.ts` compares the reference's own gradients with
 * central differences.
 */
import '@tensorflow/tfjs-backend-cpu'
import { beforeAll, describe, expect, it, vi } from 'vitest'
import { OnnxBackend } from '../../../lm/tensor/onnx-backend.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { kernelCases } from './cases/index.ts'
import {
  type Content,
  differences,
  expectedOf,
  gradientsOf,
  type Mode,
  valuesOf,
  variablesOf,
} from './contract.ts'
import type { KernelCase } from './kernel-case.ts'

export interface ContractSubject {
  readonly name: string
  /** Makes the backend TensorFlow.js's current one. */
  readonly start: () => Promise<unknown>
  readonly modes: readonly Mode[]
  /** Tolerated relative error. @default 1e-5 */
  readonly relative?: number
  /** Cases that are left out and the reason, by kernel or `kernel: title`. */
  readonly except?: Readonly<Record<string, string>>
}

/** What the reference gives for a case, read. */
interface Expectation {
  readonly values: readonly Content[]
  readonly variables: readonly number[]
  readonly gradients: readonly { readonly weighting: 'uniform' | 'random'; readonly of: readonly Content[] }[]
}

// Only looks on, to see which lowerings a case reaches.
const execute = vi.spyOn(OnnxBackend.prototype, 'execute')

export function contractSuite(subject: ContractSubject): void {
  const { name, start, except = {} } = subject
  const excepted = new Set<string>()
  let backend: string

  describe(name, () => {
    beforeAll(async () => {
      await start()
      backend = tf.getBackend()
    })

    describe.each([...new Set(kernelCases.map((row) => row.kernel))])('%s', (kernel) => {
      for (const row of kernelCases.filter((each) => each.kernel === kernel)) {
        const key = [kernel, `${kernel}: ${row.title}`].find((each) => each in except)
        if (key !== undefined) {
          excepted.add(key)
          it.skip(`${row.title} (${except[key]})`, () => {})
          continue
        }
        it(row.title, async () => {
          await tf.setBackend('cpu')
          const expected = expectationOf(row)
          await tf.setBackend(backend)
          expect(departures(row, expected, subject)).toEqual([])
        })
      }
    })

    it('leaves out no case that is not there', () => {
      expect(Object.keys(except).filter((key) => !excepted.has(key))).toEqual([])
    })
  })
}

function expectationOf(row: KernelCase): Expectation {
  const values = expectedOf(row)
  const variables = variablesOf(row, values)
  const weightings = variables.length === 0 ? [] : (['uniform', 'random'] as const)
  const gradients = weightings.map((weighting) => ({
    weighting,
    of: gradientsOf(row, variables, values, weighting, 'eager'),
  }))
  return { values, variables, gradients }
}

/** Where the current backend departs from what is expected; empty where it does not. */
function departures(
  row: KernelCase,
  { values, variables, gradients }: Expectation,
  { modes, relative = 1e-5 }: ContractSubject,
): string[] {
  const lowered = tf.backend() instanceof OnnxBackend
  const buffers = tf.backend().numDataIds()
  const found = modes.flatMap((mode) => {
    execute.mockClear()
    const given = valuesOf(row, mode)
    const reached = !lowered || execute.mock.calls.some(([kernel]) => kernel === row.kernel)
    const tolerance = { relative, absolute: row.absolute ?? 2e-7 }
    return [
      ...(reached ? [] : [`${mode}: does not reach ${row.kernel}`]),
      ...differences(values, given, tolerance).map((text) => `${mode}: ${text}`),
      ...gradients.flatMap(({ weighting, of }) => {
        const given = gradientsOf(row, variables, values, weighting, mode)
        return differences(of, given, tolerance).map((text) => `${mode}, ${weighting} gradient: ${text}`)
      }),
    ]
  })
  const left = tf.backend().numDataIds() - buffers
  return left === 0 ? found : [...found, `${left} buffers left`]
}
