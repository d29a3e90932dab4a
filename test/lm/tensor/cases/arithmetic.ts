/** @file Cases of the kernels of two operands: arithmetic, comparison, logic, choice. */
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

type Binary = (a: Tensor, b: Tensor) => Tensor

const NaNs = Number.NaN
const inf = Number.POSITIVE_INFINITY

/** Pairs of shapes whose broadcasts differ in kind. */
const shapes: readonly (readonly [string, readonly number[], readonly number[]])[] = [
  ['equal shapes', [2, 3], [2, 3]],
  ['a scalar on the left', [], [2, 3]],
  ['a scalar on the right', [2, 3], []],
  ['two scalars', [], []],
  ['a row', [2, 3], [3]],
  ['a row on the left', [3], [2, 3]],
  ['a column', [2, 3], [2, 1]],
  ['both sides broadcast', [2, 1, 3], [4, 1]],
  ['rank 5 and rank 2', [2, 1, 3, 1, 2], [3, 2]],
  ['ones of higher rank', [1, 1, 1], [2, 3]],
  ['no elements', [0, 3], [3]],
]

/** Their gradients in tfjs-core do not sum over broadcast axes: it throws there. */
const unbroadcast = new Set(['Maximum', 'Minimum', 'SquaredDifference'])

function broadcasts(
  kernel: string,
  op: Binary,
  input: (shape: readonly number[], seed: number) => CaseInput,
) {
  return shapes.map(
    ([title, a, b]): KernelCase => ({
      kernel,
      title,
      inputs: [input(a, 1), input(b, 2)],
      compute: op,
      ...(unbroadcast.has(kernel) && a.join() !== b.join() ? { gradients: [] } : {}),
    }),
  )
}

/** Every pair of the odd numbers. */
const odd = [0, 1, -1.5, NaNs, inf, -inf]

function oddPairs(kernel: string, op: Binary): KernelCase {
  return {
    kernel,
    title: 'NaN and infinities',
    inputs: [floats([6, 1], odd), floats([1, 6], odd)],
    compute: op,
    gradients: [],
  }
}

/** Away from zero on both sides. */
const divisors = (shape: readonly number[], seed: number) => {
  const { values } = between(-1, 1, shape, seed)
  return floats(
    shape,
    values.map((value) => (value < 0 ? value - 0.5 : value + 0.5)),
  )
}

const float: readonly (readonly [string, Binary])[] = [
  ['Add', tf.add],
  ['Sub', tf.sub],
  ['Multiply', tf.mul],
  ['Maximum', tf.maximum],
  ['Minimum', tf.minimum],
  ['SquaredDifference', tf.squaredDifference],
]

const comparison: readonly (readonly [string, Binary])[] = [
  ['Greater', tf.greater],
  ['GreaterEqual', tf.greaterEqual],
  ['Less', tf.less],
  ['LessEqual', tf.lessEqual],
  ['Equal', tf.equal],
  ['NotEqual', tf.notEqual],
]

const integerPair = [
  integers([6], [7, -7, 0, 2147483647, -2147483648, 5]),
  integers([6], [2, 2, 3, 0, 0, -5]),
]

export const arithmetic: readonly KernelCase[] = [
  ...float.flatMap(([kernel, op]) => [
    ...broadcasts(kernel, op, (shape, seed) => normal(shape, seed)),
    oddPairs(kernel, op),
    { kernel, title: 'int32', inputs: [wholes(-9, 9, [2, 3]), wholes(-9, 9, [3], 2)], compute: op },
    { kernel, title: 'int32 with float32', inputs: [wholes(-9, 9, [4]), normal([4])], compute: op },
    { kernel, title: 'bool with float32', inputs: [bools([3], [1, 0, 1]), normal([3])], compute: op },
    {
      kernel,
      title: 'one operand twice',
      inputs: [normal([2, 3])],
      compute: (x: Tensor) => op(x, x),
      // At a tie the gradient goes to both sides; here the ties are all there is.
      gradients: kernel === 'Maximum' || kernel === 'Minimum' ? [] : [0],
    },
  ]),
  {
    kernel: 'Maximum',
    title: 'ties',
    inputs: [vector(1, 2, 3), vector(1, 3, 3)],
    compute: tf.maximum,
    noDifferences: 'a tie',
  },
  {
    kernel: 'Minimum',
    title: 'ties',
    inputs: [vector(1, 2, 3), vector(1, 3, 3)],
    compute: tf.minimum,
    noDifferences: 'a tie',
  },
  {
    kernel: 'Maximum',
    title: 'bool',
    inputs: [bools([4], [0, 0, 1, 1]), bools([4], [0, 1, 0, 1])],
    compute: tf.maximum,
  },

  ...broadcasts('RealDiv', tf.div, divisors),
  oddPairs('RealDiv', tf.div),
  {
    kernel: 'RealDiv',
    title: 'int32 by float32',
    inputs: [wholes(-9, 9, [4]), vector(2, -4, 0.5, 3)],
    compute: tf.div,
  },
  {
    kernel: 'FloorDiv',
    title: 'a quotient of int32 rounds down',
    inputs: [integers([6], [7, -7, 7, -7, 6, 0]), integers([6], [2, 2, -2, -2, 3, 5])],
    compute: tf.div,
  },
  {
    kernel: 'FloorDiv',
    title: 'whole numbers beyond 2^24',
    inputs: [integers([3], [2147483647, -2147483648, 16777217]), integers([3], [2, 3, 1])],
    compute: tf.div,
  },
  {
    kernel: 'FloorDiv',
    title: 'int32 by zero',
    inputs: [integers([3], [7, -7, 0]), integers([], [0])],
    compute: tf.div,
  },
  {
    kernel: 'FloorDiv',
    title: 'float32',
    inputs: [floats([2, 3], [7, -7, 7.5, -7.5, 0.2, 6]), vector(2, -2, 3)],
    compute: tf.floorDiv,
    // The reference makes it int32; TensorFlow itself does not.
    reference: (a, b) => tf.floor(tf.div(a, b)),
  },

  ...broadcasts('Mod', tf.mod, divisors).map((row) => ({ ...row, gradients: [] })),
  oddPairs('Mod', tf.mod),
  {
    kernel: 'Mod',
    title: 'the sign of the divisor',
    inputs: [vector(7, -7, 7, -7, 6, -6, 0), vector(3, 3, -3, -3, 3, 3, -3)],
    compute: tf.mod,
    gradients: [],
  },
  {
    kernel: 'Mod',
    title: 'int32',
    inputs: [
      integers([9], [7, -7, 7, -7, 6, -6, 0, 5, 2147483647]),
      integers([9], [3, 3, -3, -3, 3, 3, -3, 0, 16777217]),
    ],
    compute: tf.mod,
  },

  ...broadcasts('Pow', tf.pow, (shape, seed) => between(0.5, 2, shape, seed)),
  {
    ...oddPairs('Pow', tf.pow),
    differs: {
      because: '1 to any power is 1, that of NaN too, as IEEE 754 has it; JavaScript makes it NaN',
      values: odd.flatMap((base) => odd.map((power) => (base === 1 ? 1 : base ** power))),
    },
  },
  {
    kernel: 'Pow',
    title: 'a negative base',
    inputs: [vector(-2, -2, -2, -2, -2, 0), vector(2, 3, -1, 0, 0.5, 0)],
    compute: tf.pow,
    gradients: [],
  },
  {
    kernel: 'Pow',
    title: 'int32',
    inputs: [integers([5], [2, -2, 3, 0, 1]), integers([5], [10, 3, 0, 0, -1])],
    compute: tf.pow,
  },
  {
    kernel: 'Pow',
    title: 'a constant exponent',
    inputs: [between(0.5, 2, [3])],
    compute: (x) => tf.pow(x, 3),
  },

  ...comparison.flatMap(([kernel, op]) => [
    ...broadcasts(kernel, op, (shape, seed) => wholes(0, 2, shape, seed)),
    oddPairs(kernel, op),
    { kernel, title: 'int32', inputs: integerPair, compute: op },
    {
      kernel,
      title: 'bool',
      inputs: [bools([4], [0, 0, 1, 1]), bools([4], [0, 1, 0, 1])],
      compute: op,
    },
    {
      kernel,
      title: 'int32 with float32',
      inputs: [integers([3], [1, 2, 3]), vector(1, 2.5, 2)],
      compute: op,
    },
  ]),

  ...(
    [
      ['LogicalAnd', tf.logicalAnd],
      ['LogicalOr', tf.logicalOr],
    ] as const
  ).flatMap(([kernel, op]) => [
    {
      kernel,
      title: 'equal shapes',
      inputs: [bools([4], [0, 0, 1, 1]), bools([4], [0, 1, 0, 1])],
      compute: op,
    },
    { kernel, title: 'broadcast', inputs: [bools([2, 1], [0, 1]), bools([3], [1, 0, 1])], compute: op },
  ]),
  { kernel: 'LogicalNot', title: 'a matrix', inputs: [bools([2, 2], [0, 1, 1, 0])], compute: tf.logicalNot },
  { kernel: 'LogicalNot', title: 'a scalar', inputs: [bools([], [1])], compute: tf.logicalNot },

  ...[1, 2, 3].map(
    (count): KernelCase => ({
      kernel: 'AddN',
      title: `${count} tensors`,
      inputs: Array.from({ length: count }, (_, seed) => normal([2, 3], seed)),
      compute: (...xs) => tf.addN(xs),
    }),
  ),
  {
    kernel: 'AddN',
    title: 'int32',
    inputs: [1, 2, 3].map((seed) => wholes(-9, 9, [2, 3], seed)),
    compute: (...xs) => tf.addN(xs),
  },
  { kernel: 'AddN', title: 'one tensor twice', inputs: [normal([3])], compute: (x) => tf.addN([x, x]) },

  {
    kernel: 'Select',
    title: 'equal shapes',
    inputs: [bools([2, 2], [1, 0, 0, 1]), normal([2, 2]), normal([2, 2], 2)],
    compute: tf.where as KernelCase['compute'],
  },
  {
    kernel: 'Select',
    title: 'all three broadcast',
    inputs: [bools([2, 1], [1, 0]), normal([3]), normal([])],
    compute: tf.where as KernelCase['compute'],
  },
  {
    kernel: 'Select',
    title: 'int32',
    inputs: [bools([3], [1, 0, 1]), wholes(-9, 9, [3]), wholes(-9, 9, [3], 2)],
    compute: tf.where as KernelCase['compute'],
  },
  {
    kernel: 'Select',
    title: 'bool',
    inputs: [bools([3], [1, 0, 1]), bools([3], [1, 1, 0]), bools([3], [0, 0, 1])],
    compute: tf.where as KernelCase['compute'],
  },
  {
    kernel: 'Select',
    title: 'int32 or float32',
    inputs: [bools([3], [1, 0, 1]), wholes(-9, 9, [3]), normal([3], 2)],
    compute: tf.where as KernelCase['compute'],
    gradients: [],
  },
  {
    kernel: 'Select',
    title: 'the branch not taken is NaN',
    inputs: [bools([2], [1, 0]), vector(1, NaNs), vector(NaNs, 2)],
    compute: tf.where as KernelCase['compute'],
  },
  {
    kernel: 'Select',
    title: 'uniform branches',
    inputs: [bools([2, 2], [1, 0, 0, 1])],
    compute: (condition) => tf.where(condition, tf.ones([2, 2]), tf.fill([2, 2], -inf)),
  },
]
