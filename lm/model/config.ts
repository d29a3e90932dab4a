/**
 * @file What a decoder is, read from a Hugging Face `config.json`. A setting that this implementation does not
 * carry out is refused by the name of its field, before any weight is read.
 */
import { LmFailure } from '../failure.ts'

export type Family = 'llama' | 'qwen2'

export interface DecoderConfig {
  readonly family: Family
  readonly vocabularySize: number
  readonly hiddenSize: number
  readonly layers: number
  readonly heads: number
  readonly keyValueHeads: number
  readonly headSize: number
  readonly intermediateSize: number
  readonly ropeTheta: number
  readonly normEpsilon: number
  /** q, k and v projections have a bias (Qwen2). */
  readonly projectionBias: boolean
  /** The output matrix is the embedding. */
  readonly tiedEmbeddings: boolean
  readonly maxPositions: number
}

type Fields = Readonly<Record<string, unknown>>

function refuse(file: string, field: string, value: unknown, hint: string): never {
  throw new LmFailure({
    code: 'unsupported-model',
    message: `\`${field}\` is ${JSON.stringify(value)}, which is not supported`,
    hint,
    file,
  })
}

function positive(fields: Fields, field: string, file: string, fallback?: number): number {
  const value = fields[field] ?? fallback
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value
  throw new LmFailure({
    code: 'invalid-model-config',
    message: `\`${field}\` must be a positive number, not ${JSON.stringify(value)}`,
    file,
  })
}

function ropeTheta(fields: Fields, file: string): number {
  const scaling = fields.rope_scaling
  const parameters = (fields.rope_parameters ?? scaling ?? {}) as Fields
  const type = parameters.rope_type ?? parameters.type ?? 'default'
  if (type !== 'default') refuse(file, 'rope_type', type, 'plain rotary embeddings (`default`) are supported')
  return positive({ rope_theta: parameters.rope_theta ?? fields.rope_theta }, 'rope_theta', file, 10_000)
}

/**
 * Reads a `config.json` that has been parsed already.
 * @param file named in messages
 * @throws LmFailure `unsupported-model`, `invalid-model-config`
 */
export function decoderConfig(fields: Fields, file: string): DecoderConfig {
  const family = fields.model_type
  if (family !== 'llama' && family !== 'qwen2') {
    refuse(file, 'model_type', family, 'supported: llama (Llama, SmolLM2), qwen2 (Qwen2, Qwen2.5)')
  }
  const activation = fields.hidden_act ?? 'silu'
  if (activation !== 'silu') refuse(file, 'hidden_act', activation, 'supported: silu')
  if (fields.mlp_bias === true) refuse(file, 'mlp_bias', true, 'supported: false')
  if (fields.use_sliding_window === true) refuse(file, 'use_sliding_window', true, 'supported: false')
  if (family === 'llama' && fields.attention_bias === true) {
    refuse(file, 'attention_bias', true, 'supported: false for llama')
  }
  if (fields.quantization_config != null) {
    refuse(file, 'quantization_config', fields.quantization_config, 'dequantise the checkpoint first')
  }

  const hiddenSize = positive(fields, 'hidden_size', file)
  const heads = positive(fields, 'num_attention_heads', file)
  const keyValueHeads = positive(fields, 'num_key_value_heads', file, heads)
  const headSize = positive(fields, 'head_dim', file, hiddenSize / heads)
  if (heads % keyValueHeads !== 0) {
    refuse(file, 'num_key_value_heads', keyValueHeads, `it must divide num_attention_heads (${heads})`)
  }
  if (headSize % 2 !== 0) refuse(file, 'head_dim', headSize, 'rotary embeddings need an even head size')
  return {
    family,
    vocabularySize: positive(fields, 'vocab_size', file),
    hiddenSize,
    layers: positive(fields, 'num_hidden_layers', file),
    heads,
    keyValueHeads,
    headSize,
    intermediateSize: positive(fields, 'intermediate_size', file),
    ropeTheta: ropeTheta(fields, file),
    normEpsilon: positive(fields, 'rms_norm_eps', file, 1e-6),
    projectionBias: family === 'qwen2',
    tiedEmbeddings: fields.tie_word_embeddings === true,
    maxPositions: positive(fields, 'max_position_embeddings', file, 2048),
  }
}
