/**
 * @file Cases of values that are known to be uniform, or to be broadcasts, while a function is traced: they are
 * folded, and folding must not show.
 */
import { type Tensor, tf } from '../../../../lm/tensor/tf.ts'
import { between, bools, floats, integers, type KernelCase, normal, wholes } from '../kernel-case.ts'

const inf = Number.POSITIVE_INFINITY
const odd = floats([6], [0, 1, -1.5, Number.NaN, inf, -inf])

/** For programs of constants alone. */
const unused = normal([1])

function fold(
  kernel: string,
  title: string,
  compute: (x: Tensor) => Tensor | Tensor[],
  input = normal([2, 3]),
): KernelCase {
  return {
    kernel,
    title,
    inputs: [input],
    compute,
    ...(input === odd || input === unused ? { gradients: [] } : {}),
  }
}

export const constants: readonly KernelCase[] = [
  fold('Multiply', 'by ones', (x) => tf.mul(x, tf.ones([2, 3]))),
  fold('Multiply', 'ones by it', (x) => tf.mul(tf.ones([2, 3]), x)),
  fold('Multiply', 'by the scalar 1', (x) => tf.mul(x, 1)),
  fold('Multiply', 'ones of a larger shape', (x) => tf.mul(x, tf.ones([4, 2, 3]))),
  fold('Multiply', 'a row by ones', (x) => tf.mul(x, tf.ones([2, 3])), normal([3])),
  fold('Multiply', 'a column by ones', (x) => tf.mul(tf.ones([2, 3]), x), normal([2, 1])),
  fold('Multiply', 'by zeros keeps NaN', (x) => tf.mul(x, tf.zeros([6])), odd),
  fold('Multiply', 'by ones keeps NaN', (x) => tf.mul(x, tf.ones([6])), odd),
  fold('Multiply', 'uniform by uniform', (x) => tf.add(x, tf.mul(tf.fill([3], 0.1), tf.fill([2, 1], 0.7)))),
  fold('Multiply', 'int32 by ones', (x) => tf.mul(x, tf.onesLike(x)), wholes(-9, 9, [2, 3])),
  fold(
    'Multiply',
    'int32 by int32 uniform',
    () => tf.mul(tf.fill([2], 7, 'int32'), tf.fill([2], -3, 'int32')),
    unused,
  ),
  fold('Add', 'zeros', (x) => tf.add(x, tf.zerosLike(x))),
  fold('Add', 'zeros of a larger shape', (x) => tf.add(tf.zeros([2, 2, 3]), x)),
  fold('Add', 'zeros to NaN', (x) => tf.add(x, tf.zeros([6])), odd),
  fold('Add', 'uniform to uniform', (x) => tf.mul(x, tf.add(tf.fill([2, 3], 0.1), tf.fill([3], 0.2)))),
  fold('Add', 'two rows of ones', () => tf.add(tf.ones([1, 3]), tf.ones([2, 1])), unused),
  fold('Sub', 'zeros', (x) => tf.sub(x, tf.zeros([3]))),
  fold('Sub', 'from zeros', (x) => tf.sub(tf.zeros([3]), x)),
  fold('Sub', 'uniform from uniform', () => tf.sub(tf.fill([2], 0.3), tf.fill([2], 0.1)), unused),
  fold('RealDiv', 'by ones', (x) => tf.div(x, tf.ones([4, 2, 3]))),
  fold('RealDiv', 'ones by it', (x) => tf.div(tf.ones([2, 3]), x), between(0.5, 2, [2, 3])),
  fold(
    'RealDiv',
    'uniform by zero',
    () => [tf.div(tf.ones([2]), tf.zeros([2])), tf.div(tf.zeros([2]), tf.zeros([2]))],
    unused,
  ),
  fold('Maximum', 'a uniform operand', (x) => tf.maximum(x, tf.zeros([2, 3]))),
  fold('Minimum', 'two uniform operands', () => tf.minimum(tf.ones([2, 3]), tf.zeros([3])), unused),
  fold('Pow', 'a uniform base', (x) => tf.pow(tf.fill([2, 3], 2), x)),
  fold('SquaredDifference', 'to zeros', (x) => tf.squaredDifference(x, tf.zeros([3]))),
  fold('SquaredDifference', 'uniform', () => tf.squaredDifference(tf.ones([2]), tf.fill([2], 3)), unused),
  fold('Greater', 'uniform operands', (x) => [
    tf.greater(x, tf.zeros([2, 3])),
    tf.greater(tf.ones([2]), tf.zeros([2])),
  ]),
  fold(
    'Equal',
    'a uniform operand',
    (x) => tf.equal(x, tf.fill([2, 3], 4, 'int32')),
    integers([2, 3], [4, 4, 1, 2, 4, 0]),
  ),
  fold(
    'LogicalAnd',
    'a uniform operand',
    (x) => tf.logicalAnd(x, tf.cast(tf.ones([2]), 'bool')),
    bools([2], [1, 0]),
  ),
  fold('Neg', 'ones', (x) => tf.mul(x, tf.neg(tf.ones([2, 3])))),
  fold('Cast', 'uniform', (x) => [
    tf.cast(tf.fill([2], -2.7), 'int32'),
    tf.cast(tf.fill([2], 0.3), 'bool'),
    tf.mul(x, tf.cast(tf.fill([3], 2, 'int32'), 'float32')),
  ]),
  fold('Reshape', 'uniform', (x) => tf.add(x, tf.reshape(tf.fill([6], 0.5), [2, 3]))),
  fold('Transpose', 'uniform', (x) => tf.matMul(x, tf.transpose(tf.fill([2, 3], 0.5)))),
  fold('Slice', 'uniform', (x) => tf.mul(x, tf.slice(tf.fill([4, 3], 0.5), [1, 0], [2, 3]))),
  fold('Tile', 'uniform', (x) => tf.mul(x, tf.tile(tf.fill([1, 3], 0.5), [2, 1]))),
  fold('Tile', 'the gradient of a broadcast', (x) => tf.square(tf.tile(x, [3, 1]))),
  fold('PadV2', 'uniform', () => tf.pad(tf.ones([2]), [[1, 1]]), unused),
  fold('SplitV', 'uniform', () => tf.split(tf.ones([4]), [1, 3]), unused),
  fold('Unpack', 'uniform', () => tf.unstack(tf.fill([2, 2], 3)), unused),
  fold('Concat', 'uniform', () => tf.concat([tf.ones([2]), tf.zeros([1])]), unused),
  fold('Sum', 'uniform', (x) => tf.mul(x, tf.sum(tf.ones([4, 3]), 0))),
  fold('Mean', 'uniform', (x) => tf.mul(x, tf.mean(tf.fill([4], 0.3)))),
  fold('Softmax', 'uniform', () => tf.softmax(tf.zeros([2, 4])), unused),
  fold('Exp', 'uniform', (x) => tf.mul(x, tf.exp(tf.zeros([3])))),
  fold('AddN', 'uniform', (x) => tf.addN([x, tf.ones([2, 3]), tf.zeros([2, 3])])),
  fold('Select', 'a uniform condition', (x) =>
    tf.where(tf.cast(tf.ones([2, 3]), 'bool'), x, tf.zeros([2, 3])),
  ),
  fold('Sum', 'of a product of broadcasts', (x) => tf.sum(tf.mul(tf.mul(x, tf.ones([4, 2, 3])), 0.5), 0)),
  fold(
    'Multiply',
    'an expanded row, scaled twice',
    (x) => tf.mul(tf.div(tf.add(x, tf.zeros([4, 3])), 7), 3),
    normal([3]),
  ),
  fold(
    'Multiply',
    'an expanded row by a full tensor',
    (x) => tf.mul(tf.add(x, tf.zeros([2, 3])), tf.reshape(tf.range(0, 6), [2, 3])),
    normal([3]),
  ),
  fold(
    'Multiply',
    'two expanded values',
    (x) => tf.mul(tf.add(x, tf.zeros([2, 3])), tf.add(tf.sum(x), tf.zeros([2, 3]))),
    normal([3]),
  ),
  fold(
    'Multiply',
    'an expanded row and its column',
    (x) => {
      const row = tf.add(x, tf.zeros([3, 3]))
      return tf.mul(row, tf.transpose(row))
    },
    normal([3]),
  ),
  fold('Multiply', 'a scalar over rank 5', (x) => tf.mul(tf.ones([1, 2, 1, 3, 1]), x), normal([])),
  fold('Mean', 'rms norm', (x) => tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), 1e-5)))),
  fold('Mean', 'mean of a mean', (x) => tf.mean(tf.mean(tf.square(x), 0)), normal([3, 4, 2])),
]
