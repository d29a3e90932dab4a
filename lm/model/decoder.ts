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
  /** Where no gradient is asked for: other ways to compute the same. @default as the training computes */
  readonly operations?: DecoderOperations
}

export interface DecoderOperations {
  /** x * weight / rms(x) over the last axis. */
  normalise(x: Tensor, weight: Tensor, epsilon: number): Tensor
  /** Products of x [rows, in] with matrices [out, in], by their names. */
  multiply(x: Tensor, matrices: readonly string[]): Tensor[]
}

export type AdaptedParameters = DecoderParameters & Required<Pick<DecoderParameters, 'adapter'>>

/** Applies a norm to [..., size], by the name of its weight [size]. */
function normalise({ config, weights, operations }: DecoderParameters, name: string, x: Tensor): Tensor {
  const stored = weights[name]!
  const weight = config.normOffset === 0 ? stored : tf.add(stored, config.normOffset)
  return (operations?.normalise ?? rmsNorm)(x, weight, config.normEpsilon)
}

/** x [rows, in] -> for each projection [rows, out]. */
function project(
  parameters: DecoderParameters,
  layer: number,
  projections: readonly Projection[],
  x: Tensor,
): Tensor[] {
  const modules = projections.map((projection) => names.module(layer, projection))
  const { weights, adapter, operations } = parameters
  const products =
    adapter === undefined && operations !== undefined
      ? operations.multiply(x, modules.map(weightName))
      : modules.map((module) => {
          const weight = weights[weightName(module)]!
          return adapter === undefined ? tf.matMul(x, weight, false, true) : adapt(adapter, module, x, weight)
        })
  return products.map((y, index) => {
    const bias = weights[`${modules[index]}.bias`]
    return bias === undefined ? y : tf.add(y, bias)
  })
}

function weightName(module: string): string {
  return `${module}.weight`
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
    const [queries, keys, values] = project(
      parameters,
      layer,
      ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
      before,
    ) as [Tensor, Tensor, Tensor]
    const q = normed(queryNorm, split(queries, heads))
    const k = normed(keyNorm, split(keys, keyValueHeads))
    const v = split(values, keyValueHeads)
    const attended = attend(
      layer,
      byKeyHead(rotate(q, cos, sin), groups),
      byKeyHead(rotate(k, cos, sin), 1),
      byKeyHead(v, 1),
    )
    const merged = tf.transpose(tf.reshape(attended, [batch, heads, length, headSize]), [0, 2, 1, 3])
    const output = tf.reshape(merged, [batch * length, heads * headSize])
    const [attentionOutput] = project(parameters, layer, ['self_attn.o_proj'], output) as [Tensor]
    x = tf.add(x, normed(norms.attentionOutput, attentionOutput))

    const after = normed(norms.mlp, x)
    const [gate, up] = project(parameters, layer, ['mlp.gate_proj', 'mlp.up_proj'], after) as [Tensor, Tensor]
    const unit = gatedUnit(config.activation, gate, up)
    const [mlpOutput] = project(parameters, layer, ['mlp.down_proj'], unit) as [Tensor]
    x = tf.add(x, normed(norms.mlpOutput, mlpOutput))
  }
  return normalise(parameters, names.finalNorm, x)
}

/** Name of the matrix that hidden states are scored with, [vocabularySize, hiddenSize]. */
export function outputName({ tiedEmbeddings }: DecoderConfig): string {
  return tiedEmbeddings ? names.embedding : names.output
}

/** [vocabularySize, hiddenSize] */
export function outputMatrix({ config, weights }: DecoderParameters): Tensor {
  return weights[outputName(config)]!
}

/** Vocabulary scores of hidden states: [rows, hiddenSize] -> [rows, vocabularySize]. */
export function logits(parameters: DecoderParameters, hidden: Tensor): Tensor {
  const { config, operations } = parameters
  if (operations !== undefined) return operations.multiply(hidden, [outputName(config)])[0]!
  return tf.matMul(hidden, outputMatrix(parameters), false, true)
}
