/** @file Mistral: Llama with a sliding window in every layer; the later models have none, which `null` says. */
import { readRotary } from '../rotary-config.ts'
import type { Family } from './family.ts'
import { readLlamaLayout } from './llama-layout.ts'

export const mistral: Family = {
  modelTypes: { mistral: 'Mistral' },
  read(fields) {
    fields.only('hidden_act', 'silu')
    const rotary = readRotary(fields)
    const base = readLlamaLayout(fields, 'mistral', { rotary, keyValueHeads: 8, maxPositions: 131_072 })
    if (fields.isNull('sliding_window')) return base
    return {
      ...base,
      layerKinds: base.layerKinds.map(() => 'sliding'),
      window: fields.count('sliding_window', 4096),
    }
  },
}
