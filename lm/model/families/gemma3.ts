/**
 * @file Gemma 3: norms around one on both sides of attention and feed-forward and on queries and keys, GELU, scaled
 * embeddings, and five sliding layers to each full one, with rotations of their own.
 */
import type { AttentionKind, DecoderConfig } from '../config.ts'
import type { ConfigFields } from '../config-fields.ts'
import { type RotaryConfig, rotaryOf } from '../rotary-config.ts'
import { attentionBiases } from './biases.ts'
import type { Family } from './family.ts'
import { readLayerKinds } from './layer-types.ts'
import { readLlamaLayout } from './llama-layout.ts'

export const gemma3: Family = {
  modelTypes: { gemma3_text: 'Gemma 3' },
  read: readGemma3,
}

export function readGemma3(fields: ConfigFields): DecoderConfig {
  fields.only('hidden_activation', 'gelu_pytorch_tanh')
  fields.only('attn_logit_softcapping')
  fields.only('final_logit_softcapping')
  fields.only('use_bidirectional_attention', false)
  const base = readLlamaLayout(
    fields.withDefaults({ vocab_size: 262_208, num_attention_heads: 8 }),
    'gemma3',
    {
      rotary: readRotations(fields),
      keyValueHeads: 4,
      headSize: 256,
      maxPositions: 131_072,
      tiedEmbeddings: true,
    },
  )
  const period = fields.count('sliding_window_pattern', 6)
  return {
    ...base,
    activation: 'gelu-tanh',
    biases: attentionBiases(fields),
    normOffset: 1,
    queryKeyNorm: true,
    outputNorms: true,
    queryScale: 1 / Math.sqrt(fields.positive('query_pre_attn_scalar', 256)),
    embeddingScale: Math.fround(Math.sqrt(base.hiddenSize)),
    ...readLayerKinds(
      fields,
      base.layers,
      (layer) => ((layer + 1) % period === 0 ? 'full' : 'sliding'),
      4096,
    ),
  }
}

/** Transformers 5 nests one object a kind; before, `rope_theta` and `rope_scaling` were those of the full layers. */
function readRotations(fields: ConfigFields): Record<AttentionKind, RotaryConfig> {
  const theta = fields.positive('rope_theta', 1_000_000)
  const localTheta = fields.positive('rope_local_base_freq', 10_000)
  const parameters = fields.object('rope_parameters')
  const full = fields.object('rope_scaling') ?? parameters?.object('full_attention')
  const sliding = parameters?.object('sliding_attention')
  return {
    full: full === undefined ? { theta } : rotaryOf(full, theta),
    sliding: sliding === undefined ? { theta: localTheta } : rotaryOf(sliding, localTheta),
  }
}
