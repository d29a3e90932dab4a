/**
 * @file Gradients of sums and means. Those of tfjs write out an array of ones in the shape of what was reduced, which
 * costs time where a function is traced, and cannot be where a size is open.
 */
import * as tf from '@tensorflow/tfjs-core'

type Reduce = { readonly axis: number | number[] }

/** dy, spread over what was reduced to it. */
function spread(dy: tf.Tensor, shape: number[], axes: readonly number[]): tf.Tensor {
  const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size))
  return tf.mul(tf.reshape(dy, kept), tf.fill(shape, 1, 'float32'))
}

/** @param divisorOf of the gradient, from how many numbers were reduced to one */
function replace(kernelName: string, divisorOf: (reduced: number) => number): void {
  tf.unregisterGradient(kernelName)
  tf.registerGradient({
    kernelName,
    inputsToSave: ['x'],
    gradFunc: (dy, [x], attributes) => {
      const { shape } = x!
      const axes = tf.util.parseAxisParam((attributes as unknown as Reduce).axis, shape)
      const divisor = divisorOf(axes.reduce((size, axis) => size * shape[axis]!, 1))
      const gradient = () => spread(dy as tf.Tensor, shape, axes)
      return { x: divisor === 1 ? gradient : () => tf.div(gradient(), divisor) }
    },
  })
}

/** Larger ones stand for open sizes, whose number is not known. */
const largestSize = 2 ** 31

export function replaceReductionGradients(): void {
  replace(tf.Sum, () => 1)
  replace(tf.Mean, (reduced) => {
    if (reduced > largestSize) throw new Error('a mean over an open size has no gradient: take the sum')
    return reduced
  })
}
