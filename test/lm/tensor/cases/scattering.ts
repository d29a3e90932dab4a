/** @file Cases of the kernels that write by index. */
import { type Tensor, tf } from '../../../../lm/tensor/tf.ts'
import { floats, integers, type KernelCase, normal, wholes } from '../kernel-case.ts'

const segments = (x: Tensor, ids: Tensor, count: number) =>
  tf.unsortedSegmentSum(x, ids as tf.Tensor1D, count)

export const scattering: readonly KernelCase[] = [
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
  // tfjs-core has no gradients of these.
  {
    kernel: 'ScatterNd',
    title: 'elements, two of them to one place',
    inputs: [integers([4, 2], [0, 1, 2, 0, 0, 1, 1, 2]), normal([4])],
    compute: (indices, updates) => tf.scatterND(indices!, updates!, [3, 4]),
    gradients: [],
  },
  {
    kernel: 'ScatterNd',
    title: 'rows',
    inputs: [integers([3, 1], [4, 0, 4]), normal([3, 2, 3])],
    compute: (indices, updates) => tf.scatterND(indices!, updates!, [5, 2, 3]),
    gradients: [],
  },
  {
    kernel: 'ScatterNd',
    title: 'int32',
    inputs: [integers([2, 1], [1, 1]), wholes(-9, 9, [2, 2])],
    compute: (indices, updates) => tf.scatterND(indices!, updates!, [3, 2]),
    gradients: [],
  },
  {
    kernel: 'TensorScatterUpdate',
    title: 'rows',
    inputs: [normal([5, 3]), integers([2, 1], [4, 0]), normal([2, 3], 2)],
    compute: (x, indices, updates) => tf.tensorScatterUpdate(x!, indices!, updates!),
    gradients: [],
  },
  {
    kernel: 'TensorScatterUpdate',
    title: 'elements',
    inputs: [normal([3, 4]), integers([2, 2], [2, 3, 0, 1]), normal([2], 2)],
    compute: (x, indices, updates) => tf.tensorScatterUpdate(x!, indices!, updates!),
    gradients: [],
  },
]
