/** @file Cases of the kernels that move elements without computing. */
import { type Tensor, tf } from '../../../../lm/tensor/tf.ts'
import { bools, type CaseInput, floats, integers, type KernelCase, normal, wholes } from '../kernel-case.ts'

function one(
  kernel: string,
  title: string,
  input: CaseInput,
  compute: (x: Tensor) => Tensor | Tensor[],
): KernelCase {
  return { kernel, title, inputs: [input], compute }
}

/** For one result, where tfjs-core hands the gradient of a list a tensor: it throws there. */
function withoutGradient(row: KernelCase): KernelCase {
  return { ...row, gradients: [] }
}

/** The same program over the three element types. */
function typed(
  kernel: string,
  title: string,
  shape: readonly number[],
  compute: (x: Tensor) => Tensor | Tensor[],
): KernelCase[] {
  const { values } = wholes(0, 1, shape)
  return [
    one(kernel, title, normal(shape), compute),
    one(kernel, `${title}, int32`, wholes(-9, 9, shape), compute),
    one(kernel, `${title}, bool`, bools(shape, values), compute),
  ]
}

export const shaping: readonly KernelCase[] = [
  ...typed('Reshape', 'a matrix to a vector', [2, 3], (x) => tf.reshape(x, [6])),
  one('Reshape', 'an inferred dimension', normal([2, 3, 4]), (x) => tf.reshape(x, [4, -1])),
  one('Reshape', 'to a scalar', normal([1, 1]), (x) => tf.reshape(x, [])),
  one('Reshape', 'no elements', normal([0, 3]), (x) => tf.reshape(x, [3, 0, 2])),
  one('Reshape', 'there and back', normal([2, 3]), (x) => tf.reshape(tf.reshape(x, [3, 2]), [2, 3])),
  one('Reshape', 'squeeze', normal([1, 2, 1, 3]), (x) => tf.squeeze(x, [2])),

  ...[0, 1, 2, -1, -3].map((axis) =>
    one('ExpandDims', `axis ${axis}`, normal([2, 3]), (x) => tf.expandDims(x, axis)),
  ),
  one('ExpandDims', 'a scalar', normal([]), (x) => tf.expandDims(x, 0)),

  ...typed('Transpose', 'a matrix', [2, 3], (x) => tf.transpose(x)),
  one('Transpose', 'rank 4', normal([2, 3, 4, 5]), (x) => tf.transpose(x, [0, 2, 1, 3])),
  one('Transpose', 'all axes turned', normal([2, 3, 4]), (x) => tf.transpose(x, [2, 0, 1])),
  one('Transpose', 'nothing moves', normal([2, 3]), (x) => tf.transpose(x, [0, 1])),
  one('Transpose', 'no elements', normal([0, 3]), (x) => tf.transpose(x)),

  ...typed('Concat', 'with itself', [2, 3], (x) => tf.concat([x, x], 1)),
  ...[0, 1, -1, -2].map(
    (axis): KernelCase => ({
      kernel: 'Concat',
      title: `axis ${axis}`,
      inputs: [normal([2, 3]), normal([2, 3], 2), normal([2, 3], 3)],
      compute: (...xs) => tf.concat(xs, axis),
    }),
  ),
  {
    kernel: 'Concat',
    title: 'unequal parts',
    inputs: [normal([2, 1, 2]), normal([2, 3, 2])],
    compute: (...xs) => tf.concat(xs, 1),
  },
  {
    kernel: 'Concat',
    title: 'an empty part',
    inputs: [normal([2, 0]), normal([2, 3]), normal([2, 0], 2)],
    compute: (...xs) => tf.concat(xs, 1),
    gradients: [1],
  },
  {
    kernel: 'Concat',
    title: 'only empty parts',
    inputs: [normal([2, 0]), normal([3, 0])],
    compute: (...xs) => tf.concat(xs, 0),
    gradients: [],
  },

  ...typed('Pack', 'with itself', [3], (x) => tf.stack([x, x])),
  ...[0, 1, 2, -1].map(
    (axis): KernelCase => ({
      kernel: 'Pack',
      title: `axis ${axis}`,
      inputs: [normal([2, 3]), normal([2, 3], 2)],
      compute: (...xs) => tf.stack(xs, axis),
    }),
  ),
  {
    kernel: 'Pack',
    title: 'scalars',
    inputs: [normal([]), normal([], 2)],
    compute: (...xs) => tf.stack(xs),
  },
  one('Pack', 'one tensor', normal([3]), (x) => tf.stack([x], 1)),

  ...typed('Unpack', 'rows', [2, 3], (x) => tf.unstack(x)),
  ...[1, 2, -1, -2].map((axis) =>
    one('Unpack', `axis ${axis}`, normal([2, 3, 4]), (x) => tf.unstack(x, axis)),
  ),
  withoutGradient(one('Unpack', 'one row', normal([1, 3]), (x) => tf.unstack(x))),
  one('Unpack', 'to scalars', normal([3]), (x) => tf.unstack(x)),
  one('Unpack', 'part of the result', normal([3, 2]), (x) => tf.unstack(x)[1]!),

  ...typed('SplitV', 'in two', [4, 2], (x) => tf.split(x, 2)),
  one('SplitV', 'uneven', normal([2, 6]), (x) => tf.split(x, [1, 3, 2], 1)),
  one('SplitV', 'an inferred part', normal([6, 2]), (x) => tf.split(x, [1, -1, 2], 0)),
  one('SplitV', 'negative axis', normal([2, 6]), (x) => tf.split(x, 3, -1)),
  one('SplitV', 'an empty part', normal([4]), (x) => tf.split(x, [4, 0])[0]!),
  withoutGradient(one('SplitV', 'one part', normal([4]), (x) => tf.split(x, 1))),
  one('SplitV', 'part of the result', normal([6]), (x) => tf.split(x, [2, 4])[1]!),

  one('PadV2', 'zeros', normal([2, 3]), (x) =>
    tf.pad(x, [
      [1, 2],
      [0, 1],
    ]),
  ),
  one('PadV2', 'a value', normal([3]), (x) => tf.pad(x, [[2, 1]], 7.5)),
  ...[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY].map((value) => ({
    ...one('PadV2', `${value}`, normal([3]), (x) => tf.pad(x, [[1, 1]], value)),
    noDifferences: 'of infinities',
  })),
  one('PadV2', 'int32', wholes(-9, 9, [2, 2]), (x) =>
    tf.pad(
      x,
      [
        [0, 1],
        [1, 0],
      ],
      -1,
    ),
  ),
  one('PadV2', 'bool', bools([2], [1, 0]), (x) => tf.pad(x, [[1, 1]])),
  one('PadV2', 'nothing', normal([3]), (x) => tf.pad(x, [[0, 0]])),
  one('PadV2', 'no elements', normal([0]), (x) => tf.pad(x, [[1, 2]], 3)),

  // tfjs-core's gradient is wrong, and taken out in `tf.ts`.
  withoutGradient(
    one('MirrorPad', 'reflect', normal([3, 4]), (x) =>
      tf.mirrorPad(
        x,
        [
          [1, 2],
          [0, 3],
        ],
        'reflect',
      ),
    ),
  ),
  withoutGradient(one('MirrorPad', 'nothing', normal([3]), (x) => tf.mirrorPad(x, [[0, 0]], 'reflect'))),

  ...typed('Tile', 'a matrix', [2, 3], (x) => tf.tile(x, [2, 3])),
  one('Tile', 'one axis', normal([2, 3]), (x) => tf.tile(x, [1, 2])),
  one('Tile', 'once', normal([2, 3]), (x) => tf.tile(x, [1, 1])),
  one('Tile', 'broadcastTo', normal([1, 3]), (x) => tf.broadcastTo(x, [2, 3])),

  {
    kernel: 'Fill',
    title: 'float32, int32, bool and infinity',
    inputs: [],
    compute: () => [
      tf.fill([2, 2], 0.1),
      tf.fill([2], -7, 'int32'),
      tf.cast(tf.fill([2], 1, 'int32'), 'bool'),
      tf.fill([3], Number.NEGATIVE_INFINITY),
      tf.fill([], 3),
      tf.fill([0, 2], 3),
    ],
    gradients: [],
  },
  {
    kernel: 'Range',
    title: 'up, down, fractions, whole numbers',
    inputs: [],
    compute: () => [tf.range(0, 5), tf.range(3, -3, -2), tf.range(0, 1, 0.3), tf.range(2, 6, 1, 'int32')],
    gradients: [],
  },
  {
    kernel: 'LinSpace',
    title: 'up, down, two',
    inputs: [],
    compute: () => [tf.linspace(0, 9, 10), tf.linspace(1, -1, 5), tf.linspace(2, 3, 2)],
    gradients: [],
  },
  one('Range', 'as indices', floats([4, 2], [1, 2, 3, 4, 5, 6, 7, 8]), (x) =>
    tf.gather(x, tf.range(0, 4, 2, 'int32')),
  ),
  one('Concat', 'of numbers that are uniform', integers([1], [5]), (x) =>
    tf.concat([tf.zeros([2], 'int32'), x]),
  ),
]
