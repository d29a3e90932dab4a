/**
 * @file Qwen2-VL and Qwen2.5-VL: a Qwen2 beside a vision tower. Its fields stand in `text_config`, or, as in the
 * checkpoints on the hub, among those of the whole.
 */
import { readRotary } from '../rotary-config.ts'
import { queryKeyValue } from './biases.ts'
import type { Family } from './family.ts'
import { readLlamaLayout } from './llama-layout.ts'
import { readSlidingLayers } from './qwen2.ts'

export const qwen2Vision: Family = {
  modelTypes: { qwen2_vl: 'Qwen2-VL', qwen2_5_vl: 'Qwen2.5-VL' },
  sees: true,
  read(whole) {
    const fields = whole.object('text_config') ?? whole
    fields.only('hidden_act', 'silu')
    const base = readLlamaLayout(fields, 'qwen2', {
      rotary: readRotary(fields, { theta: 1_000_000, plainType: 'mrope' }),
      keyValueHeads: 8,
      normEpsilon: 1e-5,
      maxPositions: 32_768,
    })
    return {
      ...base,
      biases: queryKeyValue,
      decoderPath: 'model.language_model',
      tiedEmbeddings: base.tiedEmbeddings || whole.flag('tie_word_embeddings'),
      ...readSlidingLayers(fields, base.layers, 80),
    }
  },
}
