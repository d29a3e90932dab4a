/** @file Gemma 3 with a vision tower: the text model's fields stand in `text_config`. */
import type { Family } from './family.ts'
import { readGemma3 } from './gemma3.ts'

export const gemma3Vision: Family = {
  modelTypes: { gemma3: 'Gemma 3 with vision' },
  sees: true,
  read(whole) {
    const text = readGemma3(whole.object('text_config') ?? whole)
    return {
      ...text,
      decoderPath: 'model.language_model',
      tiedEmbeddings: whole.flag('tie_word_embeddings', text.tiedEmbeddings),
    }
  },
}
