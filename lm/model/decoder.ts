/**
 * @file The decoder: one implementation of the Llama layout (RMSNorm, grouped-query attention with rotary
 * embeddings, a gated feed-forward) with what its families add to it. Pure functions of tensors; whether they train,
 * prefill or decode is up to the `attend` that they are given.
 */
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import type { Attend, AttentionInputs } from './attention.ts'
import type { AttentionKind, DecoderConfig } from './config.ts'
import { gatedUnit } from './gated-unit.ts'
import { layerNorms, names, type Projection } from './layout.ts'
import { adapt, type DecoderAdapter } from './lora.ts'
import { rmsNorm } from './rms-norm.ts'
import { rotate } from './rotary.ts'

/** Everything that the forward pass reads. */
export interface DecoderParameters {
  readonly config: DecoderConfig
  /** By Hugging Face name; matrices are [out, in]. */
  readonly weights: TensorMap
  readonly adapter?: DecoderAdapter
}

export type AdaptedParameters = DecoderParameters & Required<Pick<DecoderParameters, 'adapter'>>

/** Applies a norm to [..., size], by the name of its weight [size]. */
function normalise({ config, weights }: DecoderParameters, name: string, x: Tensor): Tensor {
  const stored = weights[name]!
  return rmsNorm(x, config.normOffset === 0 ? stored : tf.add(stored, config.normOffset), config.normEpsilon)
}

/** x [rows, in] -> [rows, out]. */
function project(parameters: DecoderParameters, layer: number, projection: Projection, x: Tensor): Tensor {
  const module = names.module(layer, projection)
  const { weights, adapter } = parameters
  const weight = weights[`${module}.weight`]!
  const y = adapter === undefined ? tf.matMul(x, weight, false, true) : adapt(adapter, module, x, weight)
  const bias = weights[`${module}.bias`]
  return bias === undefined ? y : tf.add(y, bias)
}

/**
 * Hidden states after the final norm, [batch * length, hiddenSize].
 * @param ids int32 [batch * length]
 * @param noise added to the embeddings, [batch * length, hiddenSize]
 */
export function hiddenStates(
  parameters: DecoderParameters,
  ids: Tensor,
  batch: number,
  length: number,
  positions: Readonly<Partial<Record<AttentionKind, Pick<AttentionInputs, 'cos' | 'sin'>>>>,
  attend: Attend,
  noise?: Tensor,
): Tensor {
  const { config, weights } = parameters
  const { heads, keyValueHeads, headSize } = config
  const groups = heads / keyValueHeads
  const split = (x: Tensor, count: number) => tf.reshape(x, [batch, length, count, headSize])
  /** [batch, length, count, headSize] -> [batch * keyValueHeads, count / keyValueHeads * length, headSize] */
  const byKeyHead = (x: Tensor, perKeyHead: number) =>
    tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [batch * keyValueHeads, perKeyHead * length, headSize])
  const normed = (name: string | undefined, x: Tensor) =>
    name === undefined ? x : normalise(parameters, name, x)

  let x: Tensor = tf.gather(weights[names.embedding]!, ids)
  if (config.embeddingScale !== 1) x = tf.mul(x, config.embeddingScale)
  if (noise !== undefined) x = tf.add(x, noise)
  for (let layer = 0; layer < config.layers; layer++) {
    const norms = layerNorms(config, layer)
    const { cos, sin } = positions[config.layerKinds[layer]!]!
    const [queryNorm, keyNorm] = config.queryKeyNorm ? [names.queryNorm(layer), names.keyNorm(layer)] : []

    const before = normed(norms.attention, x)
    const q = normed(queryNorm, split(project(parameters, layer, 'self_attn.q_proj', before), heads))
    const k = normed(keyNorm, split(project(parameters, layer, 'self_attn.k_proj', before), keyValueHeads))
    const v = split(project(parameters, layer, 'self_attn.v_proj', before), keyValueHeads)
    const attended = attend(
      layer,
      byKeyHead(rotate(q, cos, sin), groups),
      byKeyHead(rotate(k, cos, sin), 1),
      byKeyHead(v, 1),
    )
    const merged = tf.transpose(tf.reshape(attended, [batch, heads, length, headSize]), [0, 2, 1, 3])
    const output = tf.reshape(merged, [batch * length, heads * headSize])
    x = tf.add(x, normed(norms.attentionOutput, project(parameters, layer, 'self_attn.o_proj', output)))

    const after = normed(norms.mlp, x)
    const gate = project(parameters, layer, 'mlp.gate_proj', after)
    const up = project(parameters, layer, 'mlp.up_proj', after)
    const unit = gatedUnit(config.activation, gate, up)
    x = tf.add(x, normed(norms.mlpOutput, project(parameters, layer, 'mlp.down_proj', unit)))
  }
  return normalise(parameters, names.finalNorm, x)
}

/** [vocabularySize, hiddenSize] */
export function outputMatrix({ config, weights }: DecoderParameters): Tensor {
  return weights[config.tiedEmbeddings ? names.embedding : names.output]!
}

/** Vocabulary scores of hidden states: [rows, hiddenSize] -> [rows, vocabularySize]. */
export function logits(parameters: DecoderParameters, hidden: Tensor): Tensor {
  return tf.matMul(hidden, outputMatrix(parameters), false, true)
}
