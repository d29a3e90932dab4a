/**
 * @file What a policy says of given tokens, in float32: log p_y = x_y - log sum_v exp x_v with x = output . hidden / T.
 * The gradient is written by hand. With p = softmax(x) it is (output_y - p . output) / T in the hidden state, so that
 * nothing as large as the vocabulary is made for it but one product.
 */
import { differentiable } from '../tensor/differentiable.ts'
import { detached, stopGradient } from '../tensor/stop-gradient.ts'
import { type Tensor, tf } from '../tensor/tf.ts'

/** [slots]; meaningless in padding slots. What is a function reads the whole vocabulary once more. */
export interface LabelScores {
  /** log p of each label. */
  readonly logps: Tensor
  /** -sum p log p over the vocabulary, in nats. Carries no gradient, nor does what follows. */
  readonly entropy: Tensor
  /** 1 where no token is more probable than the label. */
  readonly correct: Tensor
  /** log sum_v p_v^2: how probable the policy's own choices are on average. */
  logSumSquares(): Tensor
  /** Mean score over the vocabulary. */
  meanScore(): Tensor
}

/**
 * @param hidden [slots, size]
 * @param output the output matrix, [vocabulary, size]
 * @param labels int32 [slots]
 * @param temperature T, divides the scores
 */
export function labelScores(hidden: Tensor, output: Tensor, labels: Tensor, temperature = 1): LabelScores {
  const [states, matrix] = [stopGradient(hidden), stopGradient(output)]
  const raw = tf.matMul(states, matrix, false, true)
  const scores = temperature === 1 ? raw : tf.div(raw, temperature)
  const probabilities = tf.softmax(scores)
  const highest = tf.max(scores, -1)
  const chosen = tf.gatherND(scores, places(labels))
  // log p of the most probable token: its own score less log sum exp.
  const logHighest = tf.log(tf.max(probabilities, -1))
  const gap = tf.sub(chosen, highest)
  // sum_v p_v output_v, [slots, size], if the gradient will need it: the expected score follows from it, too.
  const mean = tf.engine().isTapeOn() ? tf.matMul(probabilities, matrix) : undefined
  const expectedScore =
    mean === undefined
      ? tf.sum(tf.mul(probabilities, scores), -1)
      : tf.div(tf.sum(tf.mul(states, mean), -1), temperature)

  const logps = differentiable(
    { hidden, output },
    (save) => {
      save([hidden, output, labels, probabilities, ...(mean === undefined ? [] : [mean])])
      return tf.add(gap, logHighest)
    },
    (dy, saved) => {
      const [hidden, output, labels, probabilities, mean] = saved as [Tensor, Tensor, Tensor, Tensor, Tensor]
      const share = tf.expandDims(temperature === 1 ? dy : tf.div(dy, temperature), 1)
      return {
        hidden: () => tf.mul(tf.sub(tf.gather(output, labels as tf.Tensor1D), mean), share),
        output: () => {
          const own = tf.unsortedSegmentSum(tf.mul(hidden, share), labels as tf.Tensor1D, output.shape[0]!)
          return tf.sub(own, tf.matMul(tf.mul(probabilities, share), hidden, true))
        },
      }
    },
  )
  return {
    logps,
    entropy: tf.sub(tf.sub(highest, expectedScore), logHighest),
    correct: tf.cast(tf.greaterEqual(gap, 0), 'float32'),
    logSumSquares: () => detached(scores, (x) => tf.logSumExp(tf.mul(tf.logSoftmax(x), 2), -1)),
    meanScore: () => detached(scores, (x) => tf.mean(x, -1)),
  }
}

/** int32 [slots, 2]: each slot and its label. */
function places(labels: Tensor): Tensor {
  return tf.stack([tf.range(0, labels.size, 1, 'int32'), labels], 1)
}
