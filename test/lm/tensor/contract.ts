/** @file Runs the rows of the kernel contract on a reference and a subject and says where they part. */
import { jit } from '../../../lm/tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../../../lm/tensor/tf.ts'
import { type CaseInput, type KernelCase, normal, toTensor } from './kernel-case.ts'

/** A tensor's content, read. */
export interface Content {
  readonly shape: readonly number[]
  readonly dtype: string
  readonly values: readonly number[]
}

/** `eager`: call by call; `traced`: compiled by `jit`. */
export type Mode = 'eager' | 'traced'

export interface Tolerance {
  /** Of each element. */
  readonly relative: number
  /** Times the largest finite value of the tensor where that is above 1. */
  readonly absolute: number
}

function read(tensor: Tensor): Content {
  return { shape: tensor.shape, dtype: tensor.dtype, values: Array.from(tensor.dataSync()) }
}

function list(result: Tensor | Tensor[]): Tensor[] {
  return Array.isArray(result) ? result : [result]
}

/** Runs `program` over tensors of `inputs` on the current backend; leaves nothing. */
function execute(
  inputs: readonly CaseInput[],
  program: (inputs: Tensor[]) => Tensor[],
  mode: Mode,
): Content[] {
  let contents: Content[] = []
  tf.tidy(() => {
    const tensors = inputs.map(toTensor)
    if (mode === 'eager') {
      contents = program(tensors).map(read)
      return
    }
    const compiled = jit((args: TensorMap) => {
      const results = program(inputs.map((_, index) => args[`x${index}`]!))
      return Object.fromEntries(results.map((tensor, index) => [`y${index}`, tensor])) as TensorMap
    })
    const results = compiled(Object.fromEntries(tensors.map((tensor, index) => [`x${index}`, tensor])))
    compiled.dispose()
    contents = Object.keys(results).map((_, index) => read(results[`y${index}`]!))
  })
  return contents
}

export function valuesOf({ inputs, compute }: KernelCase, mode: Mode): Content[] {
  return execute(inputs, (tensors) => list(compute(...tensors)), mode)
}

/** What the subject should give, by the current backend. */
export function expectedOf(row: KernelCase): Content[] {
  const contents = valuesOf(row.reference === undefined ? row : { ...row, compute: row.reference }, 'eager')
  if (row.differs === undefined) return contents
  return [{ ...contents[0]!, values: row.differs.values }]
}

/**
 * Gradients of a scalar of the results: their sum (whose own gradients are uniform), or their sum weighted by
 * random numbers.
 */
export function gradientsOf(
  { inputs, compute }: KernelCase,
  variables: readonly number[],
  results: readonly Content[],
  weighting: 'uniform' | 'random',
  mode: Mode,
): Content[] {
  const weights = weighting === 'uniform' ? [] : results.map(({ shape }, index) => normal(shape, 90 + index))
  const program = (tensors: Tensor[]) => {
    const given = tensors.slice(0, inputs.length)
    const loss = (...values: Tensor[]) => {
      const merged = [...given]
      variables.forEach((position, index) => {
        merged[position] = values[index]!
      })
      const terms = list(compute(...merged)).map((result, index) =>
        tf.sum(weighting === 'uniform' ? result : tf.mul(result, tensors[inputs.length + index]!)),
      )
      return (terms.length === 1 ? terms[0]! : tf.addN(terms)) as tf.Scalar
    }
    return tf.grads(loss)(variables.map((position) => given[position]!))
  }
  return execute([...inputs, ...weights], program, mode)
}

/** Inputs of a case whose gradients are compared. */
export function variablesOf(row: KernelCase, results: readonly Content[]): readonly number[] {
  if (row.gradients !== undefined) return row.gradients
  if (results.some(({ dtype }) => dtype !== 'float32')) return []
  return row.inputs.flatMap(({ dtype }, index) => (dtype === 'float32' ? [index] : []))
}

/** What of `actual` is not as expected; empty where all is. */
export function differences(
  expected: readonly Content[],
  actual: readonly Content[],
  tolerance: Tolerance,
): string[] {
  if (expected.length !== actual.length) return [`${actual.length} results instead of ${expected.length}`]
  return expected.flatMap((each, index) => difference(each, actual[index]!, tolerance))
}

function difference(expected: Content, actual: Content, { relative, absolute }: Tolerance): string[] {
  const kind = ({ dtype, shape }: Content) => `${dtype}[${shape}]`
  if (kind(expected) !== kind(actual)) return [`${kind(actual)} instead of ${kind(expected)}`]
  const largest = expected.values.reduce(
    (sofar, value) => (Number.isFinite(value) ? Math.max(sofar, Math.abs(value)) : sofar),
    0,
  )
  const exact = expected.dtype !== 'float32'
  const wrong = expected.values.flatMap((value, index) => {
    const got = actual.values[index]!
    const allowed = exact ? 0 : relative * Math.abs(value) + absolute * Math.max(1, largest)
    const equal = Object.is(value, got) || value === got || Math.abs(value - got) <= allowed
    return equal ? [] : [`[${index}] ${got} instead of ${value}`]
  })
  return wrong.length > 4 ? [...wrong.slice(0, 4), `and ${wrong.length - 4} more`] : wrong
}
