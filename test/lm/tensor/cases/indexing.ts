/** @file Cases of the kernels that read or write by index. */
import { type Tensor, tf } from '../../../../lm/tensor/tf.ts'
import { bools, floats, integers, type KernelCase, normal, wholes } from '../kernel-case.ts'

const labels = integers([7], [0, 3, 4, -1, -100, 2, 9])

function oneHot(title: string, compute: (x: Tensor) => Tensor): KernelCase {
  return { kernel: 'OneHot', title, inputs: [labels], compute, gradients: [] }
}

const segments = (x: Tensor, ids: Tensor, count: number) =>
  tf.unsortedSegmentSum(x, ids as tf.Tensor1D, count)

export const indexing: readonly KernelCase[] = [
  ...[0, 1, 2, -1, -3].map(
    (axis): KernelCase => ({
      kernel: 'GatherV2',
      title: `axis ${axis}`,
      inputs: [normal([3, 4, 5]), integers([4], [2, 0, 0, 1])],
      compute: (x, indices) => tf.gather(x!, indices as tf.Tensor1D, axis),
    }),
  ),
  {
    kernel: 'GatherV2',
    title: 'one index',
    inputs: [normal([3, 4]), integers([], [2])],
    compute: (x, index) => tf.gather(x!, index!),
  },
  {
    kernel: 'GatherV2',
    title: 'a matrix of indices',
    inputs: [normal([5, 2]), integers([2, 3], [4, 0, 1, 1, 2, 4])],
    compute: (x, indices) => tf.gather(x!, indices!),
  },
  {
    kernel: 'GatherV2',
    title: 'a vector',
    inputs: [normal([6]), integers([3], [5, 5, 0])],
    compute: (x, indices) => tf.gather(x!, indices as tf.Tensor1D),
  },
  {
    kernel: 'GatherV2',
    title: 'int32',
    inputs: [wholes(-9, 9, [4, 2]), integers([2], [3, 1])],
    compute: (x, indices) => tf.gather(x!, indices as tf.Tensor1D),
  },
  {
    kernel: 'GatherV2',
    title: 'bool',
    inputs: [bools([4], [1, 0, 0, 1]), integers([2], [3, 1])],
    compute: (x, indices) => tf.gather(x!, indices as tf.Tensor1D),
  },
  {
    kernel: 'GatherV2',
    title: 'no indices',
    inputs: [normal([4, 2]), integers([0], [])],
    compute: (x, indices) => tf.gather(x!, indices as tf.Tensor1D),
    gradients: [],
  },
  {
    kernel: 'GatherV2',
    title: 'indices that are constants',
    inputs: [normal([4, 2])],
    compute: (x) => tf.gather(x!, tf.tensor1d([1, 1, 3], 'int32')),
  },
  {
    kernel: 'GatherV2',
    title: 'indices that are uniform',
    inputs: [normal([4, 2])],
    compute: (x) => tf.gather(x!, tf.zeros([3], 'int32')),
  },

  oneHot('int32 by default', (x) => tf.oneHot(x as tf.Tensor1D, 5)),
  oneHot('float32', (x) => tf.oneHot(x as tf.Tensor1D, 5, 1, 0, 'float32')),
  oneHot('bool', (x) => tf.oneHot(x as tf.Tensor1D, 5, 1, 0, 'bool')),
  oneHot('cast to float32', (x) => tf.cast(tf.oneHot(x as tf.Tensor1D, 5), 'float32')),
  oneHot('other values', (x) => tf.oneHot(x as tf.Tensor1D, 5, -3, 8, 'float32')),
  oneHot('a depth of two', (x) => tf.oneHot(x as tf.Tensor1D, 2, 1, 0, 'float32')),
  oneHot('a matrix', (x) =>
    tf.oneHot(tf.reshape(x, [7, 1]) as tf.Tensor2D as unknown as tf.Tensor1D, 5, 1, 0, 'float32'),
  ),
  {
    kernel: 'OneHot',
    title: 'cross entropy',
    inputs: [normal([3, 4]), integers([3], [0, 3, 2])],
    compute: (x, label) => {
      const hot = tf.oneHot(label as tf.Tensor1D, 4, 1, 0, 'float32')
      return tf.neg(tf.sum(tf.mul(tf.logSoftmax(x!), hot), -1))
    },
  },

  {
    kernel: 'UnsortedSegmentSum',
    title: 'rows',
    inputs: [normal([5, 2]), integers([5], [0, 2, 0, 1, 2])],
    compute: (x, ids) => segments(x!, ids!, 3),
  },
  {
    kernel: 'UnsortedSegmentSum',
    title: 'a vector, with a segment that nothing goes to',
    inputs: [normal([4]), integers([4], [0, 3, 3, 0])],
    compute: (x, ids) => segments(x!, ids!, 5),
  },
  {
    kernel: 'UnsortedSegmentSum',
    title: 'rank 3',
    inputs: [normal([3, 2, 2]), integers([3], [1, 1, 0])],
    compute: (x, ids) => segments(x!, ids!, 2),
  },
  {
    kernel: 'UnsortedSegmentSum',
    title: 'segments out of range are dropped',
    inputs: [floats([4, 2], [1, 2, 3, 4, 5, 6, 7, 8]), integers([4], [-1, 1, 2, -5])],
    compute: (x, ids) => segments(x!, ids!, 2),
    gradients: [],
  },
  {
    kernel: 'UnsortedSegmentSum',
    title: 'what is dropped may be NaN',
    inputs: [floats([2], [Number.NaN, 4]), integers([2], [-1, 0])],
    compute: (x, ids) => segments(x!, ids!, 2),
    gradients: [],
    differs: {
      because: 'the reference multiplies by a mask of zeros, which lets a NaN through to every segment',
      values: [4, 0],
    },
  },
]
