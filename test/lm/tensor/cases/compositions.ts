/** @file Cases of several kernels in a row, as models put them together: their gradients run through all of them. */
import { rotate } from '../../../../lm/model/rotary.ts'
import { after } from '../../../../lm/tensor/recomputed.ts'
import { type Tensor, tf } from '../../../../lm/tensor/tf.ts'
import { between, type CaseInput, integers, type KernelCase, normal } from '../kernel-case.ts'

function composition(
  kernel: string,
  title: string,
  inputs: readonly CaseInput[],
  compute: (...inputs: Tensor[]) => Tensor,
): KernelCase {
  return { kernel, title: `composed: ${title}`, inputs, compute }
}

/** Rotary embeddings of 2 sequences of 3 tokens in 4 heads of 6 numbers, by angles of one table or of one a sequence. */
const rotations = [1, 2].map(
  (tables): KernelCase => ({
    kernel: 'RotaryEmbedding',
    title: tables === 1 ? 'one table' : 'a table a sequence',
    inputs: [normal([2, 3, 4, 6]), normal([tables, 3, 1, 3], 2), normal([tables, 3, 1, 3], 3)],
    compute: (x, cos, sin) => rotate(x!, cos!, sin!),
    gradients: [0],
  }),
)

/** What waits is what it was, also behind something that is not a number. */
const orderings = [normal([3, 4], 5), integers([2], [7, 8])].map(
  (earlier): KernelCase => ({
    kernel: 'After',
    title: 'nothing changes',
    inputs: [normal([2, 3]), earlier],
    compute: (x, earlier) => after(earlier!, tf.mul(x!, 3)),
    gradients: [0],
  }),
)

export const compositions: readonly KernelCase[] = [
  ...orderings,
  ...rotations,
  composition('Rsqrt', 'rms norm and a product', [normal([3, 4]), normal([4, 5], 7)], (x, w) =>
    tf.matMul(tf.mul(x!, tf.rsqrt(tf.add(tf.mean(tf.square(x!), -1, true), 1e-5))), w!),
  ),
  composition(
    'GatherV2',
    'log softmax of picked rows',
    [normal([4, 5]), normal([3, 5], 7), integers([3], [2, 0, 2])],
    (x, w, rows) => tf.mul(tf.logSoftmax(tf.gather(x!, rows as tf.Tensor1D)), w!),
  ),
  composition('Softmax', 'attention', [normal([2, 3, 4]), normal([2, 3, 4], 7)], (x, w) =>
    tf.matMul(tf.softmax(tf.matMul(x!, x!, false, true)), tf.mul(x!, w!)),
  ),
  composition('SplitV', 'swish of one half by the other', [normal([2, 6])], (x) => {
    const [gate, up] = tf.split(x!, 2, 1)
    return tf.mul(tf.mul(gate!, tf.sigmoid(gate!)), up!)
  }),
  composition('Softplus', 'a difference', [normal([6]), normal([6], 7)], (x, w) =>
    tf.softplus(tf.sub(tf.mul(x!, w!), 0.3)),
  ),
  composition('Pow', 'of a quotient', [between(0.5, 2, [6]), between(0.5, 2, [6], 7)], (x, w) =>
    tf.pow(tf.div(w!, x!), 2),
  ),
  composition('PadV2', 'a transpose, a slice, a pad', [normal([3, 4]), normal([3, 5], 7)], (x, w) => {
    const inner = tf.slice(tf.transpose(x!), [1, 0], [2, 3])
    const edges: [number, number][] = [
      [1, 0],
      [0, 2],
    ]
    return tf.mul(tf.tanh(tf.pad(inner, edges)), w!)
  }),
  composition('Cumsum', 'squares of a running sum', [normal([2, 4])], (x) => tf.square(tf.cumsum(x!, 1))),
]
