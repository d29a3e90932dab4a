/** @file What a gated feed-forward makes of its two projections (GLU variants, arXiv 2002.05202). */
import { differentiable } from '../tensor/differentiable.ts'
import { type Tensor, tf } from '../tensor/tf.ts'
import type { DecoderConfig } from './config.ts'

/** activation(gate) * up. */
export function gatedUnit(activation: DecoderConfig['activation'], gate: Tensor, up: Tensor): Tensor {
  return activation === 'silu' ? gatedSilu(gate, up) : tf.mul(gelu(gate), up)
}

/** SwiGLU: gate * sigmoid(gate) * up. */
function gatedSilu(gate: Tensor, up: Tensor): Tensor {
  return differentiable(
    { gate, up },
    (save) => {
      save([gate, up])
      return tf.mul(tf.mul(gate, tf.sigmoid(gate)), up)
    },
    (dy, saved) => {
      const [gate, up] = saved as [Tensor, Tensor]
      const sigmoid = tf.sigmoid(gate)
      const silu = tf.mul(gate, sigmoid)
      return {
        // silu' = silu + sigmoid * (1 - silu)
        gate: () => tf.mul(tf.mul(dy, up), tf.add(silu, tf.mul(sigmoid, tf.sub(1, silu)))),
        up: () => tf.mul(dy, silu),
      }
    },
  )
}

/** GELU in its approximation by tanh (arXiv 1606.08415). */
function gelu(x: Tensor): Tensor {
  const cubic = tf.mul(x, tf.add(tf.mul(tf.square(x), 0.044715), 1))
  return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(tf.mul(cubic, Math.sqrt(2 / Math.PI))), 1))
}
