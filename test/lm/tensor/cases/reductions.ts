/** @file Cases of the kernels that reduce axes, of softmax and of running sums. */
import { type Tensor, tf } from '../../../../lm/tensor/tf.ts'
import {
  between,
  bools,
  type CaseInput,
  floats,
  type KernelCase,
  normal,
  vector,
  wholes,
} from '../kernel-case.ts'

type Reduce = (x: Tensor, axis?: number | number[], keepDims?: boolean) => Tensor

const inf = Number.POSITIVE_INFINITY
const nan = Number.NaN

const reductions: readonly (readonly [string, Reduce])[] = [
  ['Sum', tf.sum],
  ['Mean', tf.mean],
  ['Max', tf.max],
  ['Min', tf.min],
  ['Prod', tf.prod],
]

/** Infinities of one and of both signs; NaN first, in the middle, last. */
const infinities = floats([3, 4], [inf, 1, 2, 3, -inf, 1, 2, 3, inf, -inf, 1, 2])
const nans = floats([3, 4], [nan, 1, 2, 3, 1, nan, 2, 3, 1, 2, 3, nan])
/** Long enough for vectorised loops. */
const long = floats(
  [3, 37],
  Array.from({ length: 111 }, (_, index) => (index === 5 || index === 73 ? nan : index % 37)),
)

const factors = (shape: readonly number[]) => between(0.5, 1.5, shape)

function reductionCases([kernel, op]: readonly [string, Reduce]): KernelCase[] {
  const input: (shape: readonly number[]) => CaseInput = kernel === 'Prod' ? factors : normal
  const make = (
    title: string,
    x: CaseInput,
    compute: (x: Tensor) => Tensor,
    extra: Partial<KernelCase> = {},
  ) => ({
    kernel,
    title,
    inputs: [x],
    compute,
    ...extra,
  })
  // Of NaN in these two, see the lowering: what comes out depends on the machine's vectors.
  const passesOverNaN = kernel === 'Max' || kernel === 'Min'
  const nanCases = [
    make('NaN', nans, (x) => op(x, 1), { gradients: [] }),
    make('NaN in long rows', long, (x) => op(x, 1), { gradients: [] }),
    make('NaN in long columns', long, (x) => op(x, 0), { gradients: [] }),
    make('NaN over all', long, (x) => op(x), { gradients: [] }),
  ]
  const rows = [
    make('all axes', input([2, 3]), (x) => op(x)),
    make('axis 0', input([2, 3]), (x) => op(x, 0)),
    make('axis 1', input([2, 3]), (x) => op(x, 1)),
    make('axis -1 kept', input([2, 3]), (x) => op(x, -1, true)),
    make('axes 0 and 2', input([2, 3, 4]), (x) => op(x, [0, 2])),
    make('axes -1 and 0, kept', input([2, 3, 4]), (x) => op(x, [-1, 0], true)),
    make('an axis of one', input([2, 1, 3]), (x) => op(x, 1)),
    make('an axis of one, kept', input([2, 1, 3]), (x) => op(x, 1, true)),
    make('all kept', input([2, 3]), (x) => op(x, undefined, true)),
    make('a scalar', input([]), (x) => op(x)),
    make('int32', wholes(-4, 4, [2, 3]), (x) => op(x, 1)),
    make('infinities', infinities, (x) => op(x, 1), { gradients: [] }),
    ...(passesOverNaN ? [] : nanCases),
  ]
  // tfjs-core's gradient of a product needs methods on tensors, which are not bundled in.
  return kernel === 'Prod' ? rows.map((row) => ({ ...row, gradients: [] })) : rows
}

const sumOfNothing: readonly KernelCase[] = (['Sum', 'Prod'] as const).map((kernel) => ({
  kernel,
  title: 'over no elements',
  inputs: [floats([0, 3], [])],
  compute: (x) => (kernel === 'Sum' ? tf.sum(x, 0) : tf.prod(x, 0)),
  gradients: [],
}))

const truths = bools([3, 3], [1, 1, 1, 0, 0, 0, 1, 0, 1])

const scores = floats([3, 4], [1, 2, 3, 4, 100, -100, 0, 50, -inf, 1, -inf, 2])

export const reductionsAndSoftmax: readonly KernelCase[] = [
  ...reductions.flatMap(reductionCases),
  ...sumOfNothing,
  { kernel: 'Sum', title: 'bool', inputs: [bools([2, 3], [1, 0, 1, 1, 1, 0])], compute: (x) => tf.sum(x, 1) },
  {
    kernel: 'Prod',
    title: 'bool',
    inputs: [bools([2, 3], [1, 0, 1, 1, 1, 1])],
    compute: (x) => tf.prod(x, 1),
  },
  {
    kernel: 'Mean',
    title: 'bool',
    inputs: [bools([2, 3], [1, 0, 1, 1, 1, 1])],
    compute: (x) => tf.mean(x, 1),
  },
  {
    kernel: 'Max',
    title: 'ties',
    inputs: [vector(1, 3, 3, 2)],
    compute: (x) => tf.max(x),
    noDifferences: 'a tie',
  },
  { kernel: 'Max', title: 'logSumExp', inputs: [normal([2, 5])], compute: (x) => tf.logSumExp(x, -1) },
  { kernel: 'Max', title: 'bool', inputs: [bools([2, 2], [0, 1, 0, 0])], compute: (x) => tf.max(x, 1) },
  { kernel: 'Min', title: 'bool', inputs: [bools([2, 2], [0, 1, 1, 1])], compute: (x) => tf.min(x, 1) },

  ...(
    [
      ['All', tf.all],
      ['Any', tf.any],
    ] as const
  ).flatMap(([kernel, op]): KernelCase[] => [
    { kernel, title: 'all axes', inputs: [truths], compute: (x) => op(x) },
    ...[0, 1, -1].map((axis) => ({
      kernel,
      title: `axis ${axis}`,
      inputs: [truths],
      compute: (x: Tensor) => op(x, axis),
    })),
    { kernel, title: 'kept', inputs: [truths], compute: (x) => op(x, 1, true) },
    {
      kernel,
      title: 'of nothing',
      inputs: [bools([2, 0], [])],
      compute: (x) => op(x, 1),
      differs: {
        because: 'nothing is false, so all are true; the reference begins with an element that is not there',
        values: kernel === 'All' ? [1, 1] : [0, 0],
      },
    },
  ]),

  ...(
    [
      ['ArgMax', tf.argMax],
      ['ArgMin', tf.argMin],
    ] as const
  ).flatMap(([kernel, op]): KernelCase[] => [
    ...[0, 1, 2, -1, -2].map((axis) => ({
      kernel,
      title: `axis ${axis}`,
      inputs: [normal([2, 3, 4])],
      compute: (x: Tensor) => op(x, axis),
    })),
    { kernel, title: 'a vector', inputs: [normal([9])], compute: (x) => op(x) },
    {
      kernel,
      title: 'ties go to the first',
      inputs: [floats([2, 4], [1, 3, 3, 1, 0, 0, 0, 0])],
      compute: (x) => op(x, 1),
    },
    { kernel, title: 'int32', inputs: [wholes(-9, 9, [3, 5])], compute: (x) => op(x, 1) },
    {
      kernel,
      title: 'infinities',
      inputs: [floats([2, 3], [-inf, inf, 1, -inf, -inf, -inf])],
      compute: (x) => op(x, 1),
    },
  ]),

  // The library computes logSoftmax from other kernels, the maximum first.
  ...(
    [
      ['Softmax', tf.softmax],
      ['Max', tf.logSoftmax],
    ] as const
  ).flatMap(([kernel, op]): KernelCase[] => {
    const name = kernel === 'Max' ? 'logSoftmax ' : ''
    return [
      ...[[5], [2, 3], [2, 3, 4], [2, 1, 3, 5], [3, 1]].map((shape) => ({
        kernel: shape.at(-1) === 1 && kernel === 'Max' ? 'Sum' : kernel,
        title: `${name}[${shape}]`,
        inputs: [normal(shape)],
        compute: (x: Tensor) => op(x),
      })),
      { kernel, title: `${name}a long row`, inputs: [normal([2, 301])], compute: (x) => op(x) },
      {
        kernel,
        title: `${name}far apart and masked`,
        inputs: [scores],
        compute: (x) => op(x, -1),
        gradients: [],
      },
      {
        kernel,
        title: `${name}infinity, nothing open`,
        inputs: [floats([2, 3], [1, inf, 2, -inf, -inf, -inf])],
        compute: (x) => op(x, 1),
        gradients: [],
      },
      {
        kernel,
        title: `${name}NaN`,
        inputs: [floats([2, 3], [1, nan, 2, 1, 2, 3])],
        compute: (x) => op(x),
        gradients: [],
      },
    ]
  }),

  ...[0, 1, 2, -1].flatMap((axis) =>
    [false, true].flatMap((exclusive) =>
      [false, true].map(
        (reverse): KernelCase => ({
          kernel: 'Cumsum',
          title: `axis ${axis}${exclusive ? ', exclusive' : ''}${reverse ? ', reverse' : ''}`,
          inputs: [normal([2, 3, 4])],
          compute: (x) => tf.cumsum(x, axis, exclusive, reverse),
          // For other axes tfjs-core's gradient has its axes exchanged: it throws there.
          ...(axis === 2 ? {} : { gradients: [] }),
          // The reference loses the shape for an axis counted from the end.
          ...(axis < 0 ? { reference: (x) => tf.cumsum(x, axis + 3, exclusive, reverse) } : {}),
        }),
      ),
    ),
  ),
  { kernel: 'Cumsum', title: 'int32', inputs: [wholes(-9, 9, [2, 5])], compute: (x) => tf.cumsum(x, 1) },
  {
    kernel: 'Cumsum',
    title: 'a NaN',
    inputs: [vector(1, nan, 2)],
    compute: (x) => tf.cumsum(x),
    gradients: [],
  },
]
