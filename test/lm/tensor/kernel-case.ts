/** @file One row of the kernel contract: a small TensorFlow.js program on whose result the backends must agree. */
import { createRandom } from '../../../lm/random.ts'
import { type ElementType, sizeOf, toTypedArray } from '../../../lm/tensor/dtype.ts'
import { type Tensor, tf } from '../../../lm/tensor/tf.ts'

export interface CaseInput {
  readonly shape: readonly number[]
  readonly dtype: ElementType
  readonly values: readonly number[]
}

export interface KernelCase {
  /** The lowering that the case is about: the program must reach it. */
  readonly kernel: string
  readonly title: string
  readonly inputs: readonly CaseInput[]
  readonly compute: (...inputs: Tensor[]) => Tensor | Tensor[]
  /** Tolerated beside the relative error, times the largest finite value where that is above 1. @default 2e-7 */
  readonly absolute?: number
  /** Inputs whose gradients are compared. @default every float32 input, where the result is float32 */
  readonly gradients?: readonly number[]
  /** Why central differences say nothing of the gradient. */
  readonly noDifferences?: string
  /** What the reference runs instead, where its own kernel is wrong. */
  readonly reference?: (...inputs: Tensor[]) => Tensor
  /** What the subject gives instead of the reference's result, and why that stands. */
  readonly differs?: { readonly because: string; readonly values: readonly number[] }
}

/** Standard normal numbers; equal seeds give equal numbers. */
export function normal(shape: readonly number[], seed = 1): CaseInput {
  const random = createRandom(`${seed} ${shape}`)
  return floats(
    shape,
    Array.from({ length: sizeOf(shape) }, () => random.normal()),
  )
}

/** Numbers between `low` and `high`. */
export function between(low: number, high: number, shape: readonly number[], seed = 1): CaseInput {
  const random = createRandom(`${seed} ${shape}`)
  return floats(
    shape,
    Array.from({ length: sizeOf(shape) }, () => low + (high - low) * random.next()),
  )
}

export function floats(shape: readonly number[], values: readonly number[]): CaseInput {
  return { shape, dtype: 'float32', values: Array.from(Float32Array.from(values)) }
}

export function vector(...values: number[]): CaseInput {
  return floats([values.length], values)
}

export function integers(shape: readonly number[], values: readonly number[]): CaseInput {
  return { shape, dtype: 'int32', values }
}

/** Whole numbers `low` .. `high`. */
export function wholes(low: number, high: number, shape: readonly number[], seed = 1): CaseInput {
  const random = createRandom(`${seed} ${shape}`)
  return integers(
    shape,
    Array.from({ length: sizeOf(shape) }, () => random.integer(low, high)),
  )
}

export function bools(shape: readonly number[], values: readonly number[]): CaseInput {
  return { shape, dtype: 'bool', values }
}

export function toTensor({ shape, dtype, values }: CaseInput): Tensor {
  return tf.tensor(toTypedArray([...values], dtype), [...shape], dtype)
}
