/** @file Cases of the functions of one value, clipping and casts. */
import type { ElementType } from '../../../../lm/tensor/dtype.ts'
import { type Tensor, tf } from '../../../../lm/tensor/tf.ts'
import {
  between,
  bools,
  type CaseInput,
  floats,
  integers,
  type KernelCase,
  normal,
  vector,
  wholes,
} from '../kernel-case.ts'

const inf = Number.POSITIVE_INFINITY
const odd = vector(0, 1, -1.5, Number.NaN, inf, -inf)

interface Function {
  readonly kernel: string
  readonly op: (x: Tensor) => Tensor
  readonly input?: (shape: readonly number[]) => CaseInput
  /** Takes int32 too. */
  readonly int32?: true
  readonly absolute?: number
  readonly noDifferences?: string
  /** Of the odd numbers. */
  readonly odd?: KernelCase['differs']
}

const positive = (shape: readonly number[]) => between(0.1, 4, shape)
const fractional = (shape: readonly number[]) => between(-0.8, 0.8, shape)
const aboveOne = (shape: readonly number[]) => between(1.2, 4, shape)
/** The reference's polynomial for erf is right to 1.5e-7. */
const erfError = 4e-7

const functions: readonly Function[] = [
  { kernel: 'Abs', op: tf.abs, int32: true },
  { kernel: 'Acos', op: tf.acos, input: fractional },
  { kernel: 'Acosh', op: tf.acosh, input: aboveOne },
  { kernel: 'Asin', op: tf.asin, input: fractional },
  { kernel: 'Asinh', op: tf.asinh },
  { kernel: 'Atan', op: tf.atan },
  { kernel: 'Atanh', op: tf.atanh, input: fractional },
  { kernel: 'Ceil', op: tf.ceil, noDifferences: 'steps' },
  { kernel: 'Cos', op: tf.cos },
  { kernel: 'Cosh', op: tf.cosh },
  { kernel: 'Erf', op: tf.erf, absolute: erfError },
  { kernel: 'Exp', op: tf.exp, int32: true },
  { kernel: 'Expm1', op: tf.expm1 },
  { kernel: 'Floor', op: tf.floor, noDifferences: 'steps' },
  { kernel: 'Identity', op: (x) => tf.clone(x), int32: true },
  { kernel: 'IsFinite', op: tf.isFinite },
  { kernel: 'IsInf', op: tf.isInf },
  { kernel: 'IsNan', op: tf.isNaN },
  { kernel: 'Log', op: tf.log, input: positive },
  { kernel: 'Log1p', op: tf.log1p, input: positive },
  { kernel: 'Neg', op: tf.neg, int32: true },
  { kernel: 'OnesLike', op: tf.onesLike, int32: true },
  { kernel: 'Reciprocal', op: tf.reciprocal, input: positive },
  { kernel: 'Round', op: tf.round, int32: true, noDifferences: 'steps' },
  { kernel: 'Rsqrt', op: tf.rsqrt, input: positive },
  {
    kernel: 'Sign',
    op: tf.sign,
    int32: true,
    odd: { because: 'the reference calls the sign of NaN 0', values: [0, 1, -1, Number.NaN, 1, -1] },
  },
  { kernel: 'Sin', op: tf.sin },
  { kernel: 'Sinh', op: tf.sinh },
  { kernel: 'Sqrt', op: tf.sqrt, input: positive },
  { kernel: 'Square', op: tf.square, int32: true },
  { kernel: 'Step', op: (x) => tf.step(x) },
  { kernel: 'Tan', op: tf.tan, input: fractional },
  { kernel: 'ZerosLike', op: tf.zerosLike, int32: true },
]

const shapes: readonly (readonly number[])[] = [[], [5], [2, 3], [2, 1, 3, 2], [0], [2, 0, 3]]

function casesOf({
  kernel,
  op,
  input = normal,
  int32,
  absolute,
  noDifferences,
  odd: differs,
}: Function): KernelCase[] {
  const common = {
    kernel,
    compute: op,
    ...(absolute === undefined ? {} : { absolute }),
    ...(noDifferences === undefined ? {} : { noDifferences }),
  }
  return [
    ...shapes.map((shape) => ({ ...common, title: `[${shape}]`, inputs: [input(shape)] })),
    {
      ...common,
      title: 'NaN and infinities',
      inputs: [odd],
      gradients: [],
      ...(differs === undefined ? {} : { differs }),
    },
    ...(int32 ? [{ ...common, title: 'int32', inputs: [integers([5], [-3, -1, 0, 1, 4])] }] : []),
  ]
}

function cast(
  title: string,
  input: CaseInput,
  dtype: ElementType,
  differs?: KernelCase['differs'],
): KernelCase {
  return {
    kernel: 'Cast',
    title,
    inputs: [input],
    compute: (x) => tf.cast(x, dtype),
    ...(differs === undefined ? {} : { differs }),
  }
}

const nearZero = vector(0, 1e-9, 1e-7, -1e-7, -1e-5, 1e-3, -0.01, -0.3, 0.49, 0.51, 0.7)

const fractions = vector(0, 0.4, 0.6, 1.9, -0.4, -1.9, 2.5, 1e5)

export const functionsOfOne: readonly KernelCase[] = [
  ...functions.flatMap(casesOf),
  {
    kernel: 'Step',
    title: 'a slope',
    inputs: [vector(-2, 0, 3)],
    compute: (x) => tf.step(x, 0.25),
    noDifferences: 'a step',
  },
  { kernel: 'Expm1', title: 'small numbers', inputs: [nearZero], compute: tf.expm1, absolute: 0 },
  {
    kernel: 'Round',
    title: 'halves',
    inputs: [vector(-2.5, -1.5, -0.5, 0.5, 1.5, 2.5)],
    compute: tf.round,
    noDifferences: 'steps',
  },
  {
    kernel: 'Expm1',
    title: 'large numbers',
    inputs: [vector(-200, -20, 20, 88, 200)],
    compute: tf.expm1,
    gradients: [],
  },
  { kernel: 'Log1p', title: 'small numbers', inputs: [nearZero], compute: tf.log1p, absolute: 0 },
  { kernel: 'Log1p', title: 'at and below -1', inputs: [vector(-1, -2)], compute: tf.log1p, gradients: [] },
  {
    kernel: 'Exp',
    title: 'overflow and underflow',
    inputs: [vector(-200, -90, 88, 200)],
    compute: tf.exp,
    gradients: [],
  },
  { kernel: 'Log', title: 'zero and below', inputs: [vector(0, -1)], compute: tf.log, gradients: [] },
  { kernel: 'Sqrt', title: 'zero and below', inputs: [vector(0, -1)], compute: tf.sqrt, gradients: [] },

  {
    kernel: 'ClipByValue',
    title: 'a matrix',
    inputs: [normal([3, 4])],
    compute: (x) => tf.clipByValue(x, -0.5, 0.75),
  },
  {
    kernel: 'ClipByValue',
    title: 'no elements',
    inputs: [normal([0])],
    compute: (x) => tf.clipByValue(x, -1, 1),
  },
  {
    kernel: 'ClipByValue',
    title: 'NaN and infinities',
    inputs: [odd],
    compute: (x) => tf.clipByValue(x, -1, 2),
    gradients: [],
  },
  {
    kernel: 'ClipByValue',
    title: 'open above',
    inputs: [odd],
    compute: (x) => tf.clipByValue(x, -1, inf),
    gradients: [],
  },
  {
    kernel: 'ClipByValue',
    title: 'open below',
    inputs: [odd],
    compute: (x) => tf.clipByValue(x, -inf, 0.5),
    gradients: [],
  },
  {
    kernel: 'ClipByValue',
    title: 'int32, open on both sides',
    inputs: [integers([3], [-2147483648, 0, 2147483647])],
    compute: (x) => tf.clipByValue(x, -inf, inf),
  },
  {
    kernel: 'ClipByValue',
    title: 'int32',
    inputs: [wholes(-9, 9, [6])],
    compute: (x) => tf.clipByValue(x, -3, 4),
  },

  cast('float32 to int32 truncates', fractions, 'int32'),
  cast('float32 to bool', fractions, 'bool'),
  cast('NaN and infinities to bool', odd, 'bool'),
  cast('float32 to float32', fractions, 'float32'),
  cast('int32 to float32', integers([3], [-2, 0, 16777217]), 'float32'),
  cast('int32 to bool', integers([3], [-2, 0, 1]), 'bool'),
  cast('bool to float32', bools([2], [0, 1]), 'float32'),
  cast('bool to int32', bools([2], [0, 1]), 'int32'),
  cast('a scalar', floats([], [2.7]), 'int32'),
  cast('no elements', floats([0, 2], []), 'int32'),
]
