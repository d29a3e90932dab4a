/** @file Cases of slices, strides and reversal. */
import { type Tensor, tf } from '../../../../lm/tensor/tf.ts'
import { bools, type KernelCase, normal, wholes } from '../kernel-case.ts'

function one(
  kernel: string,
  title: string,
  shape: readonly number[],
  compute: (x: Tensor) => Tensor,
): KernelCase {
  return { kernel, title, inputs: [normal(shape)], compute }
}

function typed(
  kernel: string,
  title: string,
  shape: readonly number[],
  compute: (x: Tensor) => Tensor,
): KernelCase[] {
  return [
    one(kernel, title, shape, compute),
    { kernel, title: `${title}, int32`, inputs: [wholes(-9, 9, shape)], compute },
    { kernel, title: `${title}, bool`, inputs: [bools(shape, wholes(0, 1, shape).values)], compute },
  ]
}

/** tfjs-core has no gradient of it. */
function strided(title: string, shape: readonly number[], compute: (x: Tensor) => Tensor): KernelCase {
  return { ...one('StridedSlice', title, shape, compute), gradients: [] }
}

export const slicing: readonly KernelCase[] = [
  ...typed('Slice', 'an inner block', [3, 4], (x) => tf.slice(x, [1, 1], [2, 2])),
  one('Slice', 'without a size', [3, 4], (x) => tf.slice(x, [1, 2])),
  one('Slice', 'a size of -1', [3, 4], (x) => tf.slice(x, [0, 1], [-1, 2])),
  one('Slice', 'a single number', [3, 4], (x) => tf.slice(x, 1, 1)),
  one('Slice', 'everything', [3, 4], (x) => tf.slice(x, [0, 0], [3, 4])),
  one('Slice', 'nothing', [3, 4], (x) => tf.slice(x, [1, 0], [0, 4])),
  one('Slice', 'rank 4', [2, 3, 2, 3], (x) => tf.slice(x, [0, 1, 0, 1], [2, 1, 2, 2])),

  strided('steps of two', [5, 6], (x) => tf.stridedSlice(x, [0, 1], [5, 6], [2, 2])),
  strided('down', [5, 6], (x) => tf.stridedSlice(x, [4, 4], [0, 1], [-1, -2])),
  strided('down to the first', [5], (x) => tf.stridedSlice(x, [-1], [0], [-1], 0, 1)),
  strided('from the end', [5, 6], (x) => tf.stridedSlice(x, [-3, -4], [-1, 6], [1, 3])),
  strided('open ends', [5, 6], (x) => tf.stridedSlice(x, [2, 2], [1, 1], [1, 2], 1, 2)),
  strided('an axis shrunk', [5, 6], (x) => tf.stridedSlice(x, [2, 1], [3, 5], [1, 1], 0, 0, 0, 0, 1)),
  strided('a new axis', [5, 6], (x) => tf.stridedSlice(x, [0, 1, 1], [1, 3, 5], [1, 1, 2], 0, 0, 0, 1)),
  strided('an ellipsis', [2, 3, 4], (x) => tf.stridedSlice(x, [0, 1], [0, 3], [1, 1], 0, 0, 1)),
  strided('nothing', [5, 6], (x) => tf.stridedSlice(x, [3, 0], [3, 6], [1, 1])),

  ...typed('Reverse', 'all axes', [2, 3], (x) => tf.reverse(x)),
  one('Reverse', 'the last axis', [2, 3, 4], (x) => tf.reverse(x, -1)),
  one('Reverse', 'two axes', [2, 3, 4], (x) => tf.reverse(x, [0, 2])),
  one('Reverse', 'no elements', [0, 3], (x) => tf.reverse(x, 1)),
]
