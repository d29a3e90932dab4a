/** @file The identity whose gradient is zero. */
import { type Tensor, tf } from './tf.ts'

export function stopGradient(x: Tensor): Tensor {
  const compute = tf.customGrad((value) => ({
    value: tf.clone(value as Tensor),
    gradFunc: (dy: Tensor) => tf.zerosLike(dy),
  }))
  return compute(x)
}
