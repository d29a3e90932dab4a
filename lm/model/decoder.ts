/**
 * @file The decoder: one implementation of the Llama layout (RMSNorm, grouped-query attention with rotary
 * embeddings, a gated feed-forward) with what its families add to it. Pure functions of tensors; whether they train,
 * prefill or decode is up to the `attend` that they are given.
 */
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import type { Attend, AttentionInputs } from './attention.ts'
import type { AttentionKind, DecoderConfig } from './config.ts'
import { decoderPart } from './decoder-part.ts'
import { gatedUnit } from './gated-unit.ts'
import { layerNorms, names, type Projection, projections } from './layout.ts'
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
  /**
   * Of each layer only what enters it is kept for the gradient (arXiv 1604.06174), where a compiled function takes one.
   * @default false
   */
  readonly gradientCheckpointing?: boolean | undefined
  /** What a gradient computes anew. @default nothing: all is kept for it */
  readonly recompute?: Recompute
}

/** Memory spared for time. */
export interface Recompute {
  /** Norms, gated units and the inputs of projections. */
  readonly parts: boolean
  /** The weights of attention. */
  readonly attention: boolean
}

export interface DecoderOperations {
  /** x * weight / rms(x) over the last axis. */
  normalise(x: Tensor, weight: Tensor, epsilon: number): Tensor
  /** Products of x [rows, in] with matrices [out, in], by their names. */
  multiply(x: Tensor, matrices: readonly string[]): Tensor[]
}

type Three = [Tensor, Tensor, Tensor]

/** A part of a layer: what it reads, what enters it, and its outputs; `multiply` applies its projections. */
type Part = [
  projections: readonly Projection[],
  norms: readonly (string | undefined)[],
  inputs: TensorMap,
  compute: (
    own: DecoderParameters,
    inputs: TensorMap,
    multiply: (own: DecoderParameters, x: Tensor) => Tensor[],
  ) => Tensor[],
]

export type AdaptedParameters = DecoderParameters & Required<Pick<DecoderParameters, 'adapter'>>

/** Applies a norm to [..., size], by the name of its weight [size]; without a name nothing. */
function normalise(
  { config, weights, operations }: DecoderParameters,
  name: string | undefined,
  x: Tensor,
): Tensor {
  if (name === undefined) return x
  const stored = weights[name]!
  const weight = config.normOffset === 0 ? stored : tf.add(stored, config.normOffset)
  return (operations?.normalise ?? rmsNorm)(x, weight, config.normEpsilon)
}

/** x [rows, in] -> for each module [rows, out]. */
function project(parameters: DecoderParameters, modules: readonly string[], x: Tensor): Tensor[] {
  const { weights, adapter, operations } = parameters
  const products =
    adapter !== undefined
      ? adapt(
          adapter,
          modules.map((module) => ({ module, weight: weights[weightName(module)]! })),
          x,
        )
      : operations !== undefined
        ? operations.multiply(x, modules.map(weightName))
        : modules.map((module) => tf.matMul(x, weights[weightName(module)]!, false, true))
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
  /** What enters `byKeyHead`, after attention and as rows: [batch * length, heads * headSize] */
  const byRow = (x: Tensor) => {
    const merged = tf.transpose(tf.reshape(x, [batch, heads, length, headSize]), [0, 2, 1, 3])
    return tf.reshape(merged, [batch * length, heads * headSize])
  }

  const layerOutput = (parameters: DecoderParameters, layer: number, x: Tensor): Tensor => {
    const norms = layerNorms(config, layer)
    const { cos, sin } = positions[config.layerKinds[layer]!]!
    const [queryNorm, keyNorm] = config.queryKeyNorm ? [names.queryNorm(layer), names.keyNorm(layer)] : []

    const part = (...[applied, norms, inputs, compute]: Part) => {
      const modules = applied.map((projection) => names.module(layer, projection))
      const multiply = (own: DecoderParameters, x: Tensor) => project(own, modules, x)
      if (!parameters.recompute?.parts) return compute(parameters, inputs, multiply)
      return decoderPart(parameters, { modules, norms }, inputs, (own, inputs) =>
        compute(own, inputs, multiply),
      )
    }

    const [q, k, v] = part(
      ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
      [norms.attention, queryNorm, keyNorm],
      { x },
      (own, { x }, multiply) => {
        const [queries, keys, values] = multiply(own, normalise(own, norms.attention, x!)) as Three
        const query = normalise(own, queryNorm, split(queries, heads))
        const key = normalise(own, keyNorm, split(keys, keyValueHeads))
        return [
          byKeyHead(rotate(query, cos, sin), groups),
          byKeyHead(rotate(key, cos, sin), 1),
          byKeyHead(split(values, keyValueHeads), 1),
        ]
      },
    ) as Three
    const mixed = attend(layer, q, k, v)
    const [attended] = part(
      ['self_attn.o_proj'],
      [norms.attentionOutput],
      { mixed },
      (own, { mixed }, multiply) => {
        const [output] = multiply(own, byRow(mixed!)) as [Tensor]
        return [normalise(own, norms.attentionOutput, output)]
      },
    ) as [Tensor]
    const middle = tf.add(x, attended)

    const [gate, up] = part(
      ['mlp.gate_proj', 'mlp.up_proj'],
      [norms.mlp],
      { middle },
      (own, { middle }, multiply) => multiply(own, normalise(own, norms.mlp, middle!)),
    ) as [Tensor, Tensor]
    const [fed] = part(['mlp.down_proj'], [norms.mlpOutput], { gate, up }, (own, { gate, up }, multiply) => {
      const [output] = multiply(own, gatedUnit(config.activation, gate!, up!)) as [Tensor]
      return [normalise(own, norms.mlpOutput, output)]
    }) as [Tensor]
    return tf.add(middle, fed)
  }

  let x: Tensor = tf.gather(weights[names.embedding]!, ids)
  if (config.embeddingScale !== 1) x = tf.mul(x, config.embeddingScale)
  if (noise !== undefined) x = tf.add(x, noise)
  for (let layer = 0; layer < config.layers; layer++) {
    const compute = (own: DecoderParameters, x: Tensor) => layerOutput(own, layer, x)
    x = parameters.gradientCheckpointing
      ? checkpointed(parameters, layer, x, compute)
      : compute(parameters, x)
  }
  return normalise(parameters, names.finalNorm, x)
}

/** `compute` of a layer as one part: nothing of its inside is kept. */
function checkpointed(
  parameters: DecoderParameters,
  layer: number,
  x: Tensor,
  compute: (own: DecoderParameters, x: Tensor) => Tensor,
): Tensor {
  const modules = projections.map((projection) => names.module(layer, projection))
  const norms = Object.values(layerNorms(parameters.config, layer))
  if (parameters.config.queryKeyNorm) norms.push(names.queryNorm(layer), names.keyNorm(layer))
  const { recompute: _, ...rest } = parameters
  return decoderPart(rest, { modules, norms }, { x }, (own, { x }) => [compute(own, x!)])[0]!
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
