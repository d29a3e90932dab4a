/** @file Qwen3: queries and keys are normalised, heads have a size of their own, and biases are the exception. */
import { readRotary } from '../rotary-config.ts'
import { attentionBiases } from './biases.ts'
import type { Family } from './family.ts'
import { readLlamaLayout } from './llama-layout.ts'
import { readSlidingLayers } from './qwen2.ts'

export const qwen3: Family = {
  modelTypes: { qwen3: 'Qwen3' },
  read(fields) {
    fields.only('hidden_act', 'silu')
    const base = readLlamaLayout(fields, 'qwen3', {
      rotary: readRotary(fields),
      keyValueHeads: 32,
      headSize: 128,
      maxPositions: 32_768,
    })
    return {
      ...base,
      biases: attentionBiases(fields),
      queryKeyNorm: true,
      ...readSlidingLayers(fields, base.layers, 28),
    }
  },
}
