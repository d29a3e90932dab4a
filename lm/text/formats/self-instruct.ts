/**
 * @file Self-Instruct: `prompt` with `completion`, whose text may open with the space and close with the end marker of
 * the completion interface that it was made for. (Its `instruction`, `input`, `output` rows are alpaca's.)
 */
import { asPrompt, fault, nonEmptyText } from '../fields.ts'
import { promptMessages } from '../messages.ts'
import type { DatasetFormat } from './format.ts'

const END_MARKER = '<|endoftext|>'

export const selfInstruct: DatasetFormat = {
  name: 'self-instruct',
  description: 'prompt, completion',
  sampleKind: 'conversation',
  detect: (row) => 'prompt' in row && 'completion' in row,
  read: (row) => {
    const prompt = asPrompt(row.prompt, '`prompt`')
    const given = nonEmptyText(row, 'completion')
    const unmarked = given.endsWith(END_MARKER) ? given.slice(0, -END_MARKER.length) : given
    const content = unmarked.startsWith(' ') ? unmarked.slice(1) : unmarked
    if (content.trim() === '') fault('`completion` is empty')
    return {
      samples: [
        { kind: 'conversation', messages: [...promptMessages(prompt), { role: 'assistant', content }] },
      ],
    }
  },
}
