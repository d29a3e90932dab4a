/** @file Qwen2 and Qwen2.5: biases on q, k and v; a sliding window in the later layers, if it is switched on. */
import type { DecoderConfig } from '../config.ts'
import type { ConfigFields } from '../config-fields.ts'
import { readRotary } from '../rotary-config.ts'
import { queryKeyValue } from './biases.ts'
import type { Family } from './family.ts'
import { readLayerKinds } from './layer-types.ts'
import { readLlamaLayout } from './llama-layout.ts'

export const qwen2: Family = {
  modelTypes: { qwen2: 'Qwen2, Qwen2.5' },
  read(fields) {
    fields.only('hidden_act', 'silu')
    const rotary = readRotary(fields)
    const base = readLlamaLayout(fields, 'qwen2', { rotary, keyValueHeads: 32, maxPositions: 32_768 })
    return { ...base, biases: queryKeyValue, ...readSlidingLayers(fields, base.layers, 28) }
  },
}

/** Layers from `max_window_layers` on slide, where `use_sliding_window` says so. */
export function readSlidingLayers(
  fields: ConfigFields,
  layers: number,
  defaultFullLayers: number,
): Pick<DecoderConfig, 'layerKinds' | 'window'> {
  const slides = fields.flag('use_sliding_window') && !fields.isNull('sliding_window')
  const fullLayers = fields.number('max_window_layers', defaultFullLayers)
  const kinds = readLayerKinds(
    fields,
    layers,
    (layer) => (slides && layer >= fullLayers ? 'sliding' : 'full'),
    4096,
  )
  if (kinds.window !== undefined && !slides) {
    fields.refuse('layer_types', 'sliding layers need `use_sliding_window: true`')
  }
  return kinds
}
