/** @file Log-probabilities of given tokens, in float32: x_y - logsumexp(x), and the entropy beside them. */
import { detached } from '../tensor/stop-gradient.ts'
import { type Tensor, tf } from '../tensor/tf.ts'

export interface TokenScores {
  /** log p of each label, [rows]. */
  readonly logps: Tensor
  /** -sum p log p over the vocabulary, in nats, [rows]. Carries no gradient. */
  readonly entropy: Tensor
}

/**
 * @param scores vocabulary scores, [rows, vocabulary]
 * @param labels int32 [rows]
 * @returns the gradient of `logps` is (one-hot - softmax), written by hand: tfjs would differentiate each step of it
 */
export function tokenScores(scores: Tensor, labels: Tensor): TokenScores {
  const vocabulary = scores.shape[1]!
  const hot = () => tf.oneHot(labels as tf.Tensor1D, vocabulary, 1, 0, 'float32')
  const logSoftmax = tf.logSoftmax(scores)
  const compute = tf.customGrad((_, save) => {
    ;(save as tf.GradSaveFunc)([logSoftmax])
    return {
      value: tf.sum(tf.mul(logSoftmax, hot()), -1),
      gradFunc: (dy: Tensor, saved: Tensor[]) =>
        tf.mul(tf.sub(hot(), tf.exp(saved[0]!)), tf.expandDims(dy, -1)),
    }
  })
  const entropyOf = () => tf.neg(tf.sum(tf.mul(tf.exp(logSoftmax), logSoftmax), -1))
  return { logps: compute(scores), entropy: detached(scores, entropyOf) }
}
