/** @file Cases of the matrix product. */
import { type Tensor, tf } from '../../../../lm/tensor/tf.ts'
import { type CaseInput, floats, integers, type KernelCase, normal, wholes } from '../kernel-case.ts'

type Input = (shape: readonly number[], seed: number) => CaseInput

const batches: readonly (readonly [string, readonly number[], readonly number[]])[] = [
  ['matrices', [], []],
  ['a batch of one', [1], [1]],
  ['batches', [3], [3]],
  ['two batch axes', [2, 3], [2, 3]],
  ['one broadcast on the right', [3], [1]],
  ['one broadcast on the left', [1], [3]],
  ['a matrix on the right', [3], []],
  ['a matrix on the left', [], [3]],
  ['two axes and a matrix', [2, 3], []],
  ['both broadcast', [2, 1], [1, 3]],
  ['an empty batch', [0], [0]],
]

function product(
  title: string,
  input: Input,
  left: readonly number[],
  right: readonly number[],
  transposeA: boolean,
  transposeB: boolean,
  [rows, inner, columns]: readonly [number, number, number] = [2, 5, 4],
): KernelCase {
  const a = transposeA ? [inner, rows] : [rows, inner]
  const b = transposeB ? [columns, inner] : [inner, columns]
  const flags = `${transposeA ? ', A transposed' : ''}${transposeB ? ', B transposed' : ''}`
  return {
    kernel: 'BatchMatMul',
    title: title + flags,
    inputs: [input([...left, ...a], 1), input([...right, ...b], 2)],
    compute: (x, y) => tf.matMul(x!, y!, transposeA, transposeB),
    // The library's gradient does not sum over broadcast batches: it throws, or gives the broadcast shape.
    ...(left.join() === right.join() ? {} : { gradients: [] }),
    // The reference pairs batches wrongly where both sides broadcast.
    ...(left.length === 2 && right.length === 2 && left.join() !== right.join()
      ? {
          reference: (x: Tensor, y: Tensor) =>
            tf.matMul(tf.tile(x, [1, 3, 1, 1]), tf.tile(y, [2, 1, 1, 1]), transposeA, transposeB),
        }
      : {}),
  }
}

const combinations = [false, true].flatMap((a) => [false, true].map((b) => [a, b] as const))

export const products: readonly KernelCase[] = [
  ...combinations.flatMap(([a, b]) => [
    ...batches.map(([title, left, right]) => product(title, normal, left, right, a, b)),
    product('one row', normal, [], [], a, b, [1, 5, 4]),
    product('one column', normal, [2], [2], a, b, [3, 5, 1]),
    product('an inner dimension of one', normal, [], [], a, b, [3, 1, 4]),
    product('no inner dimension', normal, [], [], a, b, [3, 0, 4]),
    product('no rows', normal, [], [], a, b, [0, 3, 4]),
    product('large enough for blocks', normal, [2], [2], a, b, [33, 70, 49]),
    product('int32', (shape, seed) => wholes(-9, 9, shape, seed), [], [], a, b),
    product('int32 batches', (shape, seed) => wholes(-9, 9, shape, seed), [2], [2], a, b),
  ]),
  {
    kernel: 'BatchMatMul',
    title: 'a matrix by itself, transposed',
    inputs: [normal([3, 4])],
    compute: (x) => tf.matMul(x!, x!, false, true),
  },
  {
    kernel: 'BatchMatMul',
    title: 'NaN and infinity',
    inputs: [floats([2, 2], [Number.NaN, 1, 2, 3]), floats([2, 2], [1, Number.POSITIVE_INFINITY, 1, 1])],
    compute: (x, y) => tf.matMul(x!, y!),
    gradients: [],
  },
  {
    kernel: 'BatchMatMul',
    title: 'int32 with float32',
    inputs: [integers([2, 2], [1, 2, 3, 4]), normal([2, 2])],
    compute: (x, y) => tf.matMul(x!, y!),
  },
  {
    kernel: 'BatchMatMul',
    title: 'a matrix by a uniform one',
    inputs: [normal([2, 3])],
    compute: (x) => tf.matMul(x!, tf.ones([3, 2])),
  },
  {
    kernel: 'BatchMatMul',
    title: 'dot',
    inputs: [normal([3]), normal([3], 2)],
    compute: (x, y) => tf.dot(x!, y!),
  },
  ...(['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu'] as const).map(
    (activation): KernelCase => ({
      kernel: '_FusedMatMul',
      title: `a bias and ${activation}`,
      inputs: [normal([3, 5]), normal([4, 5], 2), normal([4], 3)],
      compute: (a, b, bias) =>
        tf.fused.matMul({ a: a!, b: b!, bias: bias!, activation, transposeB: true, leakyreluAlpha: 0.1 }),
      // In a gradient the library takes the kernels one by one.
      gradients: [],
    }),
  ),
  {
    kernel: '_FusedMatMul',
    title: 'no bias',
    inputs: [normal([3, 5]), normal([5, 4], 2)],
    compute: (a, b) => tf.fused.matMul({ a: a!, b: b!, activation: 'relu' }),
    gradients: [],
  },
  ...(
    [
      ['ij,jk->ik', [2, 3], [3, 4]],
      ['bij,bkj->bik', [2, 3, 4], [2, 5, 4]],
      ['bhqd,bhkd->bhqk', [2, 2, 3, 4], [2, 2, 5, 4]],
      ['ij,ij->i', [2, 3], [2, 3]],
      ['i,j->ij', [2], [3]],
    ] as const
  ).map(
    ([equation, a, b]): KernelCase => ({
      kernel: 'Einsum',
      title: equation,
      inputs: [normal(a), normal(b, 2)],
      compute: (x, y) => tf.einsum(equation, x!, y!),
      gradients: [],
    }),
  ),
  {
    kernel: 'Einsum',
    title: 'one operand, transposed and summed',
    inputs: [normal([2, 3, 4])],
    compute: (x) => tf.einsum('ijk->kj', x!),
    gradients: [],
  },
]
