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

/** One update; pure, to be compiled. */
export function adamWUpdate(settings: AdamWSettings, args: AdamWArguments): AdamWResults {
  const { beta1, beta2, epsilon, weightDecay, maxGradientNorm } = settings
  const norm = tf.sqrt(tf.sum(tf.square(args.g)))
  const g =
    maxGradientNorm > 0 ? tf.mul(args.g, tf.minimum(1, tf.div(maxGradientNorm, tf.add(norm, 1e-6)))) : args.g
  const m = tf.add(tf.mul(args.m, beta1), tf.mul(g, 1 - beta1))
  const v = tf.add(tf.mul(args.v, beta2), tf.mul(tf.square(g), 1 - beta2))
  const shrink = tf.sub(1, tf.mul(tf.mul(args.decayed, args.rate), weightDecay))
  const denominator = tf.add(tf.div(tf.sqrt(v), args.correction2), epsilon)
  const step = tf.mul(tf.div(args.rate, args.correction1), tf.div(m, denominator))
  const decayedParameters = weightDecay === 0 ? args.p : tf.mul(args.p, shrink)
  return { p: tf.sub(decayedParameters, step), m, v, norm }
}
