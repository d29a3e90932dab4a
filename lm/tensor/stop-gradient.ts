/** @file Values without a gradient. */
import { type Tensor, tf } from './tf.ts'

/** The identity whose gradient is zero. */
export function stopGradient(x: Tensor): Tensor {
  return detached(x, (value) => tf.clone(value))
}

/** `compute(x)`, taken as a constant: nothing of the computation is differentiated. */
export function detached(x: Tensor, compute: (x: Tensor) => Tensor): Tensor {
  const run = tf.customGrad((value) => ({
    value: compute(value as Tensor),
    gradFunc: () => tf.fill(x.shape, 0),
  }))
  return run(x)
}
