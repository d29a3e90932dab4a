/** @file Log-probabilities of given tokens, in float32: x_y - logsumexp(x). */
import { type Tensor, tf } from '../tensor/tf.ts'

/**
 * @param scores vocabulary scores, [rows, vocabulary]
 * @param labels int32 [rows]
 * @returns [rows]; its gradient is (one-hot - softmax), written by hand: tfjs would differentiate each step of it
 */
export function tokenLogps(scores: Tensor, labels: Tensor): Tensor {
  const vocabulary = scores.shape[1]!
  const hot = () => tf.oneHot(labels as tf.Tensor1D, vocabulary, 1, 0, 'float32')
  const compute = tf.customGrad((x, save) => {
    const input = x as Tensor
    const logSoftmax = tf.logSoftmax(input)
    ;(save as tf.GradSaveFunc)([logSoftmax])
    return {
      value: tf.sum(tf.mul(logSoftmax, hot()), -1),
      gradFunc: (dy: Tensor, saved: Tensor[]) =>
        tf.mul(tf.sub(hot(), tf.exp(saved[0]!)), tf.expandDims(dy, -1)),
    }
  })
  return compute(scores)
}
