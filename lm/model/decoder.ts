/**
 * @file The decoder: one implementation of the Llama layout (RMSNorm, grouped-query attention with rotary
 * embeddings, SwiGLU), which Qwen2 extends by biases on q, k and v. Pure functions of tensors; whether they train,
 * prefill or decode is up to the `attend` that they are given.
 */
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import type { DecoderConfig } from './config.ts'
import { names, type Projection } from './layout.ts'
import { adapt, type DecoderAdapter } from './lora.ts'
import { rotate } from './rotary.ts'

/** Everything that the forward pass reads. */
export interface DecoderParameters {
  readonly config: DecoderConfig
  /** By Hugging Face name; matrices are [out, in]. */
  readonly weights: TensorMap
  readonly adapter?: DecoderAdapter
}

/** Rotary tables that broadcast against [batch, length, heads, headSize / 2]. */
export interface Positions {
  readonly cos: Tensor
  readonly sin: Tensor
}

/**
 * Attention of one layer.
 * q [batch * keyValueHeads, groups * length, headSize], with the query heads of one key head side by side;
 * k, v [batch * keyValueHeads, length, headSize]. Returns the shape of q.
 */
export type Attend = (layer: number, q: Tensor, k: Tensor, v: Tensor) => Tensor

/** x * weight / rms(x) over the last axis (arXiv 1910.07467). */
export function rmsNorm(x: Tensor, weight: Tensor, epsilon: number): Tensor {
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon))), weight)
}

/** x [rows, in] -> [rows, out]. */
function project(parameters: DecoderParameters, layer: number, projection: Projection, x: Tensor): Tensor {
  const module = names.module(layer, projection)
  const { weights, adapter } = parameters
  const weight = weights[`${module}.weight`]!
  let y: Tensor = tf.matMul(x, weight, false, true)
  if (adapter !== undefined) y = adapt(adapter, module, x, weight, y)
  const bias = weights[`${module}.bias`]
  return bias === undefined ? y : tf.add(y, bias)
}

/**
 * Hidden states after the final norm, [batch * length, hiddenSize].
 * @param ids int32 [batch * length]
 */
export function hiddenStates(
  parameters: DecoderParameters,
  ids: Tensor,
  batch: number,
  length: number,
  positions: Positions,
  attend: Attend,
): Tensor {
  const { config, weights } = parameters
  const { heads, keyValueHeads, headSize, normEpsilon } = config
  const groups = heads / keyValueHeads
  const split = (x: Tensor, count: number) => tf.reshape(x, [batch, length, count, headSize])
  /** [batch, length, count, headSize] -> [batch * keyValueHeads, count / keyValueHeads * length, headSize] */
  const byKeyHead = (x: Tensor, perKeyHead: number) =>
    tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch * keyValueHeads, perKeyHead * length, headSize])

  let x: Tensor = tf.gather(weights[names.embedding]!, ids)
  for (let layer = 0; layer < config.layers; layer++) {
    const normed = rmsNorm(x, weights[names.attentionNorm(layer)]!, normEpsilon)
    const q = split(project(parameters, layer, 'self_attn.q_proj', normed), heads)
    const k = split(project(parameters, layer, 'self_attn.k_proj', normed), keyValueHeads)
    const v = split(project(parameters, layer, 'self_attn.v_proj', normed), keyValueHeads)
    const attended = attend(
      layer,
      byKeyHead(rotate(q, positions.cos, positions.sin), groups),
      byKeyHead(rotate(k, positions.cos, positions.sin), 1),
      byKeyHead(v, 1),
    )
    const merged = tf.transpose(tf.reshape(attended, [batch, heads, length, headSize]), [0, 2, 1, 3])
    const output = tf.reshape(merged, [batch * length, heads * headSize])
    x = tf.add(x, project(parameters, layer, 'self_attn.o_proj', output))

    const after = rmsNorm(x, weights[names.mlpNorm(layer)]!, normEpsilon)
    const gate = project(parameters, layer, 'mlp.gate_proj', after)
    const up = project(parameters, layer, 'mlp.up_proj', after)
    const swish = tf.mul(gate, tf.sigmoid(gate))
    x = tf.add(x, project(parameters, layer, 'mlp.down_proj', tf.mul(swish, up)))
  }
  return rmsNorm(x, weights[names.finalNorm]!, normEpsilon)
}

/** Vocabulary scores of hidden states: [rows, hiddenSize] -> [rows, vocabularySize]. */
export function logits(parameters: DecoderParameters, hidden: Tensor): Tensor {
  const { config, weights } = parameters
  return tf.matMul(hidden, weights[config.tiedEmbeddings ? names.embedding : names.output]!, false, true)
}

/**
 * Causal attention within each row. Rows are padded on the right, so no real token ever sees padding.
 * @param mask [length, length]: 0 where the query (row) may see the key (column), a large negative number elsewhere
 */
export function causalAttention(config: DecoderConfig, batch: number, length: number, mask: Tensor): Attend {
  const { heads, keyValueHeads, headSize } = config
  const groups = heads / keyValueHeads
  return (_layer, q, k, v) => {
    const scores = tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(headSize))
    const masked = tf.add(tf.reshape(scores, [batch * heads, length, length]), mask)
    const weights = tf.reshape(tf.softmax(masked), [batch * keyValueHeads, groups * length, length])
    return tf.matMul(weights, v)
  }
}

/** What a masked score is raised by: far below any score, and finite. */
export const masked = -1e9

/** [length, length] for `causalAttention`, row-major. */
export function causalMask(length: number): Float32Array {
  const mask = new Float32Array(length * length)
  for (let row = 0; row < length; row++) mask.fill(masked, row * length + row + 1, (row + 1) * length)
  return mask
}
