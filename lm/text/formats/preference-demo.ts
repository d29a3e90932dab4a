/** @file Preference demos: `conversations` with one `chosen` and one `rejected` turn of `{from, value}`. */
import { asString, fault, optional } from '../fields.ts'
import type { Message } from '../messages.ts'
import type { DatasetFormat } from './format.ts'
import { mendTurns, readTurn, readTurns } from './turns.ts'

export const preferenceDemo: DatasetFormat = {
  name: 'preference-demo',
  description: 'conversations, chosen {from, value}, rejected {from, value} [, system]',
  sampleKind: 'comparison',
  detect: (row) => 'conversations' in row && 'chosen' in row && 'rejected' in row,
  read: (row) => {
    const system = optional(row, 'system', asString)
    const opening: Message[] = system ? [{ role: 'system', content: system }] : []
    const { messages: prompt, repairs } = mendTurns([
      ...opening,
      ...readTurns(row.conversations, '`conversations`'),
    ])
    if (prompt.at(-1)?.role !== 'user') fault("`conversations` does not end with the user's turn")
    const chosen = readTurn(row.chosen, '`chosen`')
    const rejected = readTurn(row.rejected, '`rejected`')
    if (chosen.role !== 'assistant' || rejected.role !== 'assistant')
      fault("an answer is not the assistant's")
    return {
      samples: [{ kind: 'comparison', prompt, chosen: chosen.content, rejected: rejected.content }],
      repairs,
    }
  },
}
