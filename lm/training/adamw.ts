/**
 * @file AdamW (arXiv 1711.05101) with decoupled weight decay and clipping by global norm, computed as PyTorch's
 * `adamw_torch` does. All trained parameters are one flat vector, so that the update is a dozen operators.
 */
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'

export interface AdamWSettings {
  /** @default 0.9 */
  readonly beta1: number
  /** @default 0.999 */
  readonly beta2: number
  /** @default 1e-8 */
  readonly epsilon: number
  readonly weightDecay: number
  /** Largest global gradient norm; 0 clips nothing. */
  readonly maxGradientNorm: number
}

export interface AdamWArguments extends TensorMap {
  /** Parameters, gradient, first and second moments: [parameters]. */
  p: Tensor
  g: Tensor
  m: Tensor
  v: Tensor
  /** 1 where weight decay applies, 0 elsewhere: [parameters], or a scalar. */
  decayed: Tensor
  /** Scalars: learning rate, 1 - beta1^t, sqrt(1 - beta2^t). */
  rate: Tensor
  correction1: Tensor
  correction2: Tensor
}

export interface AdamWResults extends TensorMap {
  p: Tensor
  m: Tensor
  v: Tensor
  /** Global norm before clipping. */
  norm: Tensor
}

/**
 * One update; pure, to be compiled. Factors that are one number for all parameters are multiplied with each other
 * first: each pass over the parameters costs as much as a layer's norm.
 */
export function adamWUpdate(settings: AdamWSettings, args: AdamWArguments): AdamWResults {
  const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = settings
  const norm = tf.sqrt(tf.sum(tf.square(args.g)))
  const clip = maxGradientNorm > 0 ? tf.minimum(1, tf.div(maxGradientNorm, tf.add(norm, 1e-6))) : tf.scalar(1)
  const m = tf.add(tf.mul(args.m, beta1), tf.mul(args.g, tf.mul(clip, 1 - beta1)))
  const squared = tf.mul(tf.square(args.g), tf.mul(tf.square(clip), 1 - beta2))
  const v = tf.add(tf.mul(args.v, beta2), squared)
  // rate / correction1 * m / (sqrt(v) / correction2 + epsilon)
  const denominator = tf.add(tf.sqrt(v), tf.mul(args.correction2, epsilon))
  const factor = tf.div(tf.mul(args.rate, args.correction2), args.correction1)
  const step = tf.div(tf.mul(m, factor), denominator)
  if (weightDecay === 0) return { p: tf.sub(args.p, step), m, v, norm }
  const shrink = tf.sub(1, tf.mul(args.decayed, tf.mul(args.rate, weightDecay)))
  return { p: tf.sub(tf.mul(args.p, shrink), step), m, v, norm }
}
