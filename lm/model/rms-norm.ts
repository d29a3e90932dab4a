/** @file Root mean square normalisation (arXiv 1910.07467). */
import { differentiable } from '../tensor/differentiable.ts'
import { type Tensor, tf } from '../tensor/tf.ts'

/**
 * x * weight / rms(x) over the last axis.
 * @param x [..., size]
 * @param weight [size]
 * @param epsilon added to the mean square
 */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  return differentiable(
    { x, weight },
    (save) => {
      const scale = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon))
      save([x, weight, scale])
      return tf.mul(tf.mul(x, scale), weight)
    },
    (dy, saved) => {
      const [x, weight, scale] = saved as [Tensor, Tensor, Tensor]
      return {
        // With g = dy * weight and s = 1 / rms(x): s * (g - x * s^2 * mean(g * x))
        x: () => {
          const g = tf.mul(dy, weight)
          const along = tf.mul(tf.mean(tf.mul(g, x), -1, true), tf.square(scale))
          return tf.mul(tf.sub(g, tf.mul(x, along)), scale)
        },
        weight: () => {
          const size = weight.shape[0]!
          return tf.sum(tf.reshape(tf.mul(dy, tf.mul(x, scale)), [-1, size]), 0)
        },
      }
    },
  )
}
