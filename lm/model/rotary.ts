/** @file Rotary position embeddings (arXiv 2104.09864) in the half-split layout of Llama and Qwen2. */
import { type Tensor, tf } from '../tensor/tf.ts'
import type { DecoderConfig } from './config.ts'

/** cos and sin of each angle, [positions.length, headSize / 2], row-major. */
export interface RotaryTable {
  readonly cos: Float32Array
  readonly sin: Float32Array
}

export function rotaryTable(config: DecoderConfig, positions: ArrayLike<number>): RotaryTable {
  const half = config.headSize / 2
  const cos = new Float32Array(positions.length * half)
  const sin = new Float32Array(positions.length * half)
  for (let index = 0; index < half; index++) {
    // In float32, as the reference implementations do.
    const frequency = Math.fround(
      1 / Math.fround(config.ropeTheta ** Math.fround((2 * index) / config.headSize)),
    )
    for (let row = 0; row < positions.length; row++) {
      const angle = Math.fround(positions[row]! * frequency)
      cos[row * half + index] = Math.cos(angle)
      sin[row * half + index] = Math.sin(angle)
    }
  }
  return { cos, sin }
}

/** Rotates x [..., headSize]; cos and sin broadcast against [..., headSize / 2]. */
export function rotate(x: Tensor, cos: Tensor, sin: Tensor): Tensor {
  const [first, second] = tf.split(x, 2, -1) as [Tensor, Tensor]
  return tf.concat(
    [tf.sub(tf.mul(first, cos), tf.mul(second, sin)), tf.add(tf.mul(second, cos), tf.mul(first, sin))],
    -1,
  )
}
