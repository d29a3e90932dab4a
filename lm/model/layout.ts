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
  queryNorm: (layer: number) => `model.layers.${layer}.self_attn.q_norm.weight`,
  keyNorm: (layer: number) => `model.layers.${layer}.self_attn.k_norm.weight`,
  module: (layer: number, projection: Projection) => `model.layers.${layer}.${projection}`,
} as const

/** The norms before attention and feed-forward, and those of what the two put out. */
export interface LayerNorms {
  readonly attention: string
  readonly attentionOutput?: string
  readonly mlp: string
  readonly mlpOutput?: string
}

/** The same name means another norm where outputs are normalised, too. */
export function layerNorms(config: Pick<DecoderConfig, 'outputNorms'>, layer: number): LayerNorms {
  const norm = (name: string) => `model.layers.${layer}.${name}_layernorm.weight`
  if (!config.outputNorms) return { attention: norm('input'), mlp: norm('post_attention') }
  return {
    attention: norm('input'),
    attentionOutput: norm('post_attention'),
    mlp: norm('pre_feedforward'),
    mlpOutput: norm('post_feedforward'),
  }
}

/** Every tensor of the decoder with its shape, in a fixed order. */
export function tensorShapes(config: DecoderConfig): Map<string, readonly number[]> {
  const { hiddenSize, headSize, vocabularySize } = config
  const shapes = new Map<string, readonly number[]>([[names.embedding, [vocabularySize, hiddenSize]]])
  for (let layer = 0; layer < config.layers; layer++) {
    const norms = layerNorms(config, layer)
    shapes.set(norms.attention, [hiddenSize])
    for (const projection of projections) {
      const shape = projectionShape(config, projection)
      const module = names.module(layer, projection)
      shapes.set(`${module}.weight`, shape)
      if (config.biases.includes(projection)) shapes.set(`${module}.bias`, [shape[0]])
    }
    if (config.queryKeyNorm) {
      shapes.set(names.queryNorm(layer), [headSize])
      shapes.set(names.keyNorm(layer), [headSize])
    }
    if (norms.attentionOutput !== undefined) shapes.set(norms.attentionOutput, [hiddenSize])
    shapes.set(norms.mlp, [hiddenSize])
    if (norms.mlpOutput !== undefined) shapes.set(norms.mlpOutput, [hiddenSize])
  }
  shapes.set(names.finalNorm, [hiddenSize])
  if (!config.tiedEmbeddings) shapes.set(names.output, [vocabularySize, hiddenSize])
  return shapes
}
