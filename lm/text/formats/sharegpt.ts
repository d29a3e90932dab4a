/** @file ShareGPT: `conversations` of `{from, value}`; may start with gpt and need not alternate. */
import { asString, optional } from '../fields.ts'
import type { Message } from '../messages.ts'
import type { DatasetFormat } from './format.ts'
import { mendDialogue, readTurns } from './turns.ts'

export const sharegpt: DatasetFormat = {
  name: 'sharegpt',
  description: 'conversations [{from, value}] [, system]',
  sampleKind: 'conversation',
  detect: (row) => 'conversations' in row && !('chosen' in row),
  read: (row) => {
    const system = optional(row, 'system', asString)
    const opening: Message[] = system ? [{ role: 'system', content: system }] : []
    const { messages, repairs } = mendDialogue([
      ...opening,
      ...readTurns(row.conversations, '`conversations`'),
    ])
    return { samples: [{ kind: 'conversation', messages }], repairs }
  },
}
