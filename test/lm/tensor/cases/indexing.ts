/** @file Cases of the kernels that read by index. */
import { type Tensor, tf } from '../../../../lm/tensor/tf.ts'
import { bools, floats, integers, type KernelCase, normal, wholes } from '../kernel-case.ts'

const labels = integers([7], [0, 3, 4, -1, -100, 2, 9])

function oneHot(title: string, compute: (x: Tensor) => Tensor): KernelCase {
  return { kernel: 'OneHot', title, inputs: [labels], compute, gradients: [] }
}

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

  ...[0, 1, 2].map(
    (axis): KernelCase => ({
      kernel: 'GatherV2',
      title: `in batches, axis ${axis + 1}`,
      inputs: [
        normal([2, 3, 4, 2]),
        integers(
          [2, 3],
          [2, 0, 0, 1, 1, 0].map((index) => Math.min(index, [2, 3, 1][axis]!)),
        ),
      ],
      compute: (x, indices) => tf.gather(x!, indices!, axis + 1, 1),
      gradients: [],
    }),
  ),
  {
    kernel: 'GatherV2',
    title: 'in batches of batches',
    inputs: [normal([2, 2, 5]), integers([2, 2, 3], [4, 0, 0, 1, 1, 0, 3, 2, 1, 0, 4, 4])],
    compute: (x, indices) => tf.gather(x!, indices!, 2, 2),
    gradients: [],
  },

  {
    kernel: 'GatherNd',
    title: 'elements',
    inputs: [normal([3, 4]), integers([2, 3, 2], [0, 1, 2, 3, 1, 1, 0, 0, 2, 0, 0, 1])],
    compute: (x, indices) => tf.gatherND(x!, indices!),
    gradients: [],
  },
  {
    kernel: 'GatherNd',
    title: 'rows',
    inputs: [wholes(-9, 9, [4, 3]), integers([2, 1], [3, 1])],
    compute: (x, indices) => tf.gatherND(x!, indices!),
    gradients: [],
  },

  ...[1, 3, 7].map(
    (k): KernelCase => ({
      kernel: 'TopK',
      title: `${k} of 7`,
      inputs: [normal([2, 3, 7])],
      compute: (x) => Object.values(tf.topk(x!, k)),
      gradients: [],
    }),
  ),
  {
    kernel: 'TopK',
    title: 'ties go to the first',
    inputs: [floats([2, 5], [1, 3, 3, 1, 3, 0, 0, 0, 0, 0])],
    compute: (x) => Object.values(tf.topk(x!, 3)),
    gradients: [],
  },
  {
    kernel: 'TopK',
    title: 'int32',
    inputs: [wholes(-9, 9, [3, 5])],
    compute: (x) => Object.values(tf.topk(x!, 2)),
    gradients: [],
  },
  {
    kernel: 'TopK',
    title: 'infinities',
    inputs: [floats([1, 4], [Number.NEGATIVE_INFINITY, 1, Number.POSITIVE_INFINITY, 2])],
    compute: (x) => Object.values(tf.topk(x!, 4)),
    gradients: [],
  },
]
