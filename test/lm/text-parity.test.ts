import { describe, expect, it } from 'vitest'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { type ChatReference, readReference, referencePath } from './reference.ts'

const tokenizer = loadTokenizer(referencePath('models/qwen2'))

describe('chat template and tokenizer', () => {
  it.each(readReference<ChatReference[]>('chat.json'))(
    '$text',
    ({ messages, add_generation_prompt, text, ids }) => {
      const rendered = tokenizer.render(messages, { addGenerationPrompt: add_generation_prompt })
      expect(rendered).toBe(text)
      expect(tokenizer.encode(rendered)).toEqual(ids)
    },
  )
})
