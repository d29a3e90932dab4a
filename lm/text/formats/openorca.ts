/** @file OpenOrca: `id`, `system_prompt` (may be empty), `question`, `response`. */
import { asString, nonEmptyText, optional } from '../fields.ts'
import type { Message } from '../messages.ts'
import type { DatasetFormat } from './format.ts'

export const openorca: DatasetFormat = {
  name: 'openorca',
  description: 'id, system_prompt, question, response',
  sampleKind: 'conversation',
  detect: (row) => 'question' in row && 'response' in row,
  read: (row) => {
    const system = optional(row, 'system_prompt', asString)
    const messages: Message[] = system ? [{ role: 'system', content: system }] : []
    messages.push({ role: 'user', content: nonEmptyText(row, 'question') })
    messages.push({ role: 'assistant', content: nonEmptyText(row, 'response') })
    return { samples: [{ kind: 'conversation', messages }] }
  },
}
