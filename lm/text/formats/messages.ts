/** @file Chat messages: `messages` of `{role, content}`. */
import type { DatasetFormat } from './format.ts'
import { mendDialogue, readTurns } from './turns.ts'

export const messages: DatasetFormat = {
  name: 'messages',
  description: 'messages [{role, content}]',
  sampleKind: 'conversation',
  detect: (row) => 'messages' in row && !('chosen' in row),
  read: (row) => {
    const dialogue = mendDialogue(readTurns(row.messages, '`messages`'))
    return { samples: [{ kind: 'conversation', messages: dialogue.messages }], repairs: dialogue.repairs }
  },
}
