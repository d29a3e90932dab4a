/** @file Llama 2 and 3, and what is built like them: SmolLM2. */
import { readRotary } from '../rotary-config.ts'
import { attentionBiases, feedForwardBiases } from './biases.ts'
import type { Family } from './family.ts'
import { readLlamaLayout } from './llama-layout.ts'

export const llama: Family = {
  modelTypes: { llama: 'Llama 2 and 3, SmolLM2' },
  read(fields) {
    fields.only('hidden_act', 'silu')
    fields.only('pretraining_tp', 1)
    return {
      ...readLlamaLayout(fields, 'llama', { rotary: readRotary(fields), maxPositions: 2048 }),
      biases: [...attentionBiases(fields), ...feedForwardBiases(fields)],
    }
  },
}
