import { describe, expect, it } from 'vitest'
import { encodeConversation } from '../../lm/text/conversation.ts'
import type { Message } from '../../lm/text/messages.ts'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { truncateConversation } from '../../lm/text/truncate.ts'
import {
  type ChatReference,
  type RunReference,
  readReference,
  readReferenceRows,
  referencePath,
  type SftBatch,
} from './reference.ts'

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

describe('training rows', () => {
  type Run = RunReference<SftBatch> & { readonly rows_kept: number }

  it("gives SFT's token ids and labels, one row cut and one dropped", () => {
    const run = readReference<Record<string, Run>>('training/sft.json')['completion-only']!
    const rows = readReferenceRows<{ messages: Message[] }>('training/sft-rows.jsonl')
    const encoded = rows.flatMap(({ messages }) => {
      const cut = truncateConversation(encodeConversation(tokenizer, messages), 64)
      return cut === undefined ? [] : [cut]
    })
    expect(encoded).toHaveLength(run.rows_kept)
    const epoch = run.steps.slice(0, 5).flatMap(({ batches }) => batches!)
    expect(encoded.map(({ ids }) => ids)).toEqual(epoch.flatMap(({ input_ids }) => input_ids))
    const labels = encoded.map(({ ids, assistant }) => ids.map((id, index) => (assistant[index] ? id : -100)))
    expect(labels).toEqual(epoch.flatMap((batch) => batch.labels))
  })
})
