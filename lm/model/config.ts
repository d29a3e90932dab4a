/**
 * @file What a decoder is, read from a Hugging Face `config.json`. A setting that this implementation does not
 * carry out is refused by the name of its field, before any weight is read.
 */
import { ConfigFields } from './config-fields.ts'
import { familyOf } from './families/index.ts'
import type { Projection } from './layout.ts'
import type { RotaryConfig } from './rotary-config.ts'

export type FamilyName = 'llama' | 'qwen2' | 'qwen3' | 'mistral' | 'gemma3'

/** What a layer's tokens see of those before them: all, or the last `window`. */
export type AttentionKind = 'full' | 'sliding'

export interface DecoderConfig {
  readonly family: FamilyName
  readonly vocabularySize: number
  readonly hiddenSize: number
  readonly layers: number
  readonly heads: number
  readonly keyValueHeads: number
  readonly headSize: number
  readonly intermediateSize: number
  readonly activation: 'silu' | 'gelu-tanh'
  /** Projections that have a bias. */
  readonly biases: readonly Projection[]
  readonly normEpsilon: number
  /** Added to each norm's stored weight: 1 where the distance from one is stored (Gemma). */
  readonly normOffset: 0 | 1
  /** Queries and keys are normalised head by head, before they are rotated. */
  readonly queryKeyNorm: boolean
  /** What attention and feed-forward add to the hidden states is normalised, too. */
  readonly outputNorms: boolean
  /** Factor of q k. */
  readonly queryScale: number
  /** Factor of the embeddings. */
  readonly embeddingScale: number
  /** One a layer. */
  readonly layerKinds: readonly AttentionKind[]
  /** Tokens that a token of a sliding layer sees, itself included. */
  readonly window: number | undefined
  readonly rotary: Readonly<Record<AttentionKind, RotaryConfig>>
  /** The output matrix is the embedding. */
  readonly tiedEmbeddings: boolean
  readonly maxPositions: number
  /** The decoder among the modules of transformers: `model`; beside a vision tower `model.language_model`. */
  readonly decoderPath: string
}

/** The kinds of attention that occur in a decoder. */
export function attentionKinds(config: Pick<DecoderConfig, 'layerKinds'>): AttentionKind[] {
  return (['full', 'sliding'] as const).filter((kind) => config.layerKinds.includes(kind))
}

/**
 * Reads a `config.json` that has been parsed already. That of a vision-language model gives the text model in it.
 * @param file named in messages
 * @throws LmFailure `unsupported-model`, `invalid-model-config`
 */
export function decoderConfig(json: Readonly<Record<string, unknown>>, file: string): DecoderConfig {
  const fields = new ConfigFields(json, file)
  return familyOf(fields).read(fields)
}
