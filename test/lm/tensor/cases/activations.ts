/** @file Cases of the activation functions. */
import { type Tensor, tf } from '../../../../lm/tensor/tf.ts'
import { integers, type KernelCase, normal, vector } from '../kernel-case.ts'

const inf = Number.POSITIVE_INFINITY
const odd = vector(0, 1, -1.5, Number.NaN, inf, -inf)
/** Both sides of every kink, and none of them. */
const mixed = vector(-8, -0.7, 0.3, 2, 5.5, 6.5)

const functions: readonly (readonly [kernel: string, op: (x: Tensor) => Tensor])[] = [
  ['Elu', tf.elu],
  ['LeakyRelu', (x) => tf.leakyRelu(x, 0.3)],
  ['Relu', tf.relu],
  ['Relu6', tf.relu6],
  ['Selu', tf.selu],
  ['Sigmoid', tf.sigmoid],
  ['Softplus', tf.softplus],
  ['Tanh', tf.tanh],
]

/** The reference passes NaN over, or its formula makes one of infinities. */
const differing: Readonly<Record<string, readonly number[]>> = {}

export const activationFunctions: readonly KernelCase[] = [
  ...functions.flatMap(([kernel, compute]): KernelCase[] => [
    ...[[], [5], [2, 3], [2, 1, 3, 2], [0]].map((shape) => ({
      kernel,
      title: `[${shape}]`,
      inputs: [normal(shape)],
      compute,
    })),
    { kernel, title: 'on both sides of the kinks', inputs: [mixed], compute },
    {
      kernel,
      title: 'NaN and infinities',
      inputs: [odd],
      compute,
      gradients: [],
      ...(differing[kernel] === undefined
        ? {}
        : { differs: { because: 'NaN goes through', values: differing[kernel] } }),
    },
  ]),
  { kernel: 'Relu', title: 'int32', inputs: [integers([4], [-3, 0, 1, 9])], compute: tf.relu },
  { kernel: 'Relu6', title: 'int32', inputs: [integers([4], [-3, 0, 1, 9])], compute: tf.relu6 },
  { kernel: 'Relu', title: 'zero', inputs: [vector(-1, 0, 1)], compute: tf.relu, noDifferences: 'a kink' },
  {
    kernel: 'Softplus',
    title: 'far from zero',
    inputs: [vector(-80, -20, -14, -10, -4, 4, 10, 20, 100)],
    compute: tf.softplus,
    absolute: 0,
    gradients: [],
  },
  {
    kernel: 'Sigmoid',
    title: 'far from zero',
    inputs: [vector(-100, -20, -8, 8, 20, 100)],
    compute: tf.sigmoid,
    absolute: 2e-7,
  },
  {
    kernel: 'Tanh',
    title: 'far from and near zero',
    inputs: [vector(-100, -9, 9, 100, 1e-5, -1e-3)],
    compute: tf.tanh,
    absolute: 3e-7,
  },
  {
    kernel: 'EluGrad',
    title: 'the gradient of elu',
    inputs: [mixed, normal([6])],
    compute: (x, dy) => tf.grad(tf.elu)(x!, dy!),
    gradients: [],
  },
  {
    kernel: 'Prelu',
    title: 'a slope a channel',
    inputs: [normal([3, 4]), vector(0.1, 0.2, 0.3, -0.4)],
    compute: (x, alpha) => tf.prelu(x!, alpha!),
  },
  {
    kernel: 'Prelu',
    title: 'one slope',
    inputs: [normal([2, 3]), vector(0.25)],
    compute: (x, alpha) => tf.prelu(x!, alpha!),
  },
]
