/**
 * @file The fields that all families read alike: those of Llama. A family states its defaults, which are those of
 * transformers, and overrides what differs.
 */
import type { AttentionKind, DecoderConfig, FamilyName } from '../config.ts'
import type { ConfigFields } from '../config-fields.ts'
import type { RotaryConfig } from '../rotary-config.ts'

export interface LlamaLayout {
  readonly rotary: Readonly<Record<AttentionKind, RotaryConfig>>
  /** Defaults of fields that may be absent. */
  readonly maxPositions: number
  /** @default num_attention_heads */
  readonly keyValueHeads?: number
  /** @default hidden_size / num_attention_heads */
  readonly headSize?: number
  /** @default 1e-6 */
  readonly normEpsilon?: number
  /** @default false */
  readonly tiedEmbeddings?: boolean
}

/** A decoder of full attention without biases, its activation SiLU. */
export function readLlamaLayout(
  fields: ConfigFields,
  family: FamilyName,
  layout: LlamaLayout,
): DecoderConfig {
  if (fields.get('quantization_config') !== undefined) {
    fields.refuse('quantization_config', 'dequantise the checkpoint first')
  }
  fields.only('attention_dropout', 0)
  const hiddenSize = fields.count('hidden_size')
  const layers = fields.count('num_hidden_layers')
  const heads = fields.count('num_attention_heads')
  const keyValueHeads = fields.count('num_key_value_heads', layout.keyValueHeads ?? heads)
  if (heads % keyValueHeads !== 0) {
    fields.refuse('num_key_value_heads', `it must divide num_attention_heads (${heads})`)
  }
  const headSize = fields.positive('head_dim', layout.headSize ?? hiddenSize / heads)
  if (headSize % 2 !== 0) {
    const field = fields.get('head_dim') === undefined ? 'num_attention_heads' : 'head_dim'
    fields.refuse(field, `it makes heads of ${headSize}; rotary embeddings need an even, whole size`)
  }
  return {
    family,
    vocabularySize: fields.count('vocab_size'),
    hiddenSize,
    layers,
    heads,
    keyValueHeads,
    headSize,
    intermediateSize: fields.count('intermediate_size'),
    activation: 'silu',
    biases: [],
    normEpsilon: fields.positive('rms_norm_eps', layout.normEpsilon ?? 1e-6),
    normOffset: 0,
    queryKeyNorm: false,
    outputNorms: false,
    queryScale: 1 / Math.sqrt(headSize),
    embeddingScale: 1,
    layerKinds: Array.from({ length: layers }, () => 'full'),
    window: undefined,
    rotary: layout.rotary,
    tiedEmbeddings: fields.flag('tie_word_embeddings', layout.tiedEmbeddings),
    maxPositions: fields.count('max_position_embeddings', layout.maxPositions),
    decoderPath: 'model',
  }
}
