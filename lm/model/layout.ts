/** @file The tensors of a decoder: their Hugging Face names and shapes. */
import type { DecoderConfig } from './config.ts'

/** The seven projections of a layer, in the order in which they are applied. */
export const projections = [
  'self_attn.q_proj',
  'self_attn.k_proj',
  'self_attn.v_proj',
  'self_attn.o_proj',
  'mlp.gate_proj',
  'mlp.up_proj',
  'mlp.down_proj',
] as const
export type Projection = (typeof projections)[number]

/** Last part of a projection's name, as LoRA's `target_modules` lists it. */
export function shortName(projection: Projection): string {
  return projection.slice(projection.indexOf('.') + 1)
}

/** [out, in] of a projection. */
export function projectionShape(config: DecoderConfig, projection: Projection): [number, number] {
  const { hiddenSize, intermediateSize } = config
  const query = config.heads * config.headSize
  const keyValue = config.keyValueHeads * config.headSize
  switch (projection) {
    case 'self_attn.q_proj':
      return [query, hiddenSize]
    case 'self_attn.k_proj':
    case 'self_attn.v_proj':
      return [keyValue, hiddenSize]
    case 'self_attn.o_proj':
      return [hiddenSize, query]
    case 'mlp.gate_proj':
    case 'mlp.up_proj':
      return [intermediateSize, hiddenSize]
    case 'mlp.down_proj':
      return [hiddenSize, intermediateSize]
  }
}

export const names = {
  embedding: 'model.embed_tokens.weight',
  finalNorm: 'model.norm.weight',
  output: 'lm_head.weight',
  attentionNorm: (layer: number) => `model.layers.${layer}.input_layernorm.weight`,
  mlpNorm: (layer: number) => `model.layers.${layer}.post_attention_layernorm.weight`,
  module: (layer: number, projection: Projection) => `model.layers.${layer}.${projection}`,
} as const

function hasBias(config: DecoderConfig, projection: Projection): boolean {
  return config.projectionBias && /[qkv]_proj$/.test(projection)
}

/** Every tensor of the decoder with its shape, in a fixed order. */
export function tensorShapes(config: DecoderConfig): Map<string, readonly number[]> {
  const { hiddenSize, vocabularySize } = config
  const shapes = new Map<string, readonly number[]>([[names.embedding, [vocabularySize, hiddenSize]]])
  for (let layer = 0; layer < config.layers; layer++) {
    shapes.set(names.attentionNorm(layer), [hiddenSize])
    for (const projection of projections) {
      const shape = projectionShape(config, projection)
      const module = names.module(layer, projection)
      shapes.set(`${module}.weight`, shape)
      if (hasBias(config, projection)) shapes.set(`${module}.bias`, [shape[0]])
    }
    shapes.set(names.mlpNorm(layer), [hiddenSize])
  }
  shapes.set(names.finalNorm, [hiddenSize])
  if (!config.tiedEmbeddings) shapes.set(names.output, [vocabularySize, hiddenSize])
  return shapes
}
