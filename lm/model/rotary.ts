/** @file Rotary position embeddings (arXiv 2104.09864) in the half-split layout of the Hugging Face checkpoints. */
import { differentiable } from '../tensor/differentiable.ts'
import { rotation } from '../tensor/lowerings/rotation.ts'
import { type Tensor, tf } from '../tensor/tf.ts'
import type { AttentionKind, DecoderConfig } from './config.ts'
import type { RotaryConfig, RotaryScaling } from './rotary-config.ts'

/** cos and sin of each angle, [positions.length, headSize / 2], row-major. */
export interface RotaryTable {
  readonly cos: Float32Array
  readonly sin: Float32Array
}

export function rotaryTable(
  config: DecoderConfig,
  kind: AttentionKind,
  positions: ArrayLike<number>,
): RotaryTable {
  const half = config.headSize / 2
  const cos = new Float32Array(positions.length * half)
  const sin = new Float32Array(positions.length * half)
  rotaryFrequencies(config.rotary[kind], config.headSize).forEach((frequency, index) => {
    for (let row = 0; row < positions.length; row++) {
      const angle = Math.fround(positions[row]! * frequency)
      cos[row * half + index] = Math.cos(angle)
      sin[row * half + index] = Math.sin(angle)
    }
  })
  return { cos, sin }
}

/** Radians a position, [headSize / 2]; in float32, as the reference implementations do. */
export function rotaryFrequencies({ theta, scaling }: RotaryConfig, headSize: number): Float32Array {
  return Float32Array.from({ length: headSize / 2 }, (_, index) => {
    const frequency = Math.fround(1 / Math.fround(theta ** Math.fround((2 * index) / headSize)))
    return scaling === undefined ? frequency : scaled(frequency, scaling)
  })
}

function scaled(frequency: number, scaling: RotaryScaling): number {
  if (scaling.type === 'linear') return frequency / scaling.factor
  const { factor, lowFrequencyFactor, highFrequencyFactor, originalPositions } = scaling
  const turns = (originalPositions * frequency) / (2 * Math.PI)
  if (turns < lowFrequencyFactor) return frequency / factor
  if (turns > highFrequencyFactor) return frequency
  const kept = (turns - lowFrequencyFactor) / (highFrequencyFactor - lowFrequencyFactor)
  return (1 - kept) * (frequency / factor) + kept * frequency
}

/**
 * Turns pairs of numbers, one from each half of a head, by the angle of their position.
 * @param x [batch, length, heads, headSize]
 * @param cos [batch or 1, ...places, headSize / 2], where the places are `length` in all; `sin` likewise
 */
export function rotate(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  return differentiable(
    { x },
    (save) => {
      save([cos, sin])
      return turned(x, cos, sin)
    },
    (dy, saved) => {
      const [cos, sin] = saved as [Tensor, Tensor]
      // Turned back: the transpose of a rotation.
      return { x: () => turned(dy, cos, tf.neg(sin)) }
    },
  )
}

function turned(x: Tensor, cosines: Tensor, sines: Tensor): Tensor {
  const [, length, , size] = x.shape as [number, number, number, number]
  const [cos, sin] = [cosines, sines].map((table) =>
    tf.reshape(table, [table.shape[0]!, length, 1, size / 2]),
  ) as [Tensor, Tensor]
  if (tf.getKernel(rotation, tf.getBackend()) !== undefined) {
    return tf.engine().runKernel(rotation, { x, cos, sin })
  }
  const [first, second] = tf.split(x, 2, -1) as [Tensor, Tensor]
  return tf.concat(
    [tf.sub(tf.mul(first, cos), tf.mul(second, sin)), tf.add(tf.mul(second, cos), tf.mul(first, sin))],
    -1,
  )
}
