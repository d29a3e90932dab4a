/**
 * @file UltraFeedback, binarized: `chosen` and `rejected` are message lists that include the user's turns, with
 * `score_chosen` and `score_rejected`. Pairs of message lists without scores or `prompt` are read too.
 */
import { asNumber, fault, optional } from '../fields.ts'
import type { DatasetFormat } from './format.ts'
import { readTurns } from './turns.ts'

export const ultrafeedbackBinarized: DatasetFormat = {
  name: 'ultrafeedback-binarized',
  description: 'chosen and rejected as message lists [, prompt, score_chosen, score_rejected]',
  sampleKind: 'comparison',
  detect: (row) => Array.isArray(row.chosen) && Array.isArray(row.rejected),
  read: (row) => {
    const chosen = readTurns(row.chosen, '`chosen`')
    const rejected = readTurns(row.rejected, '`rejected`')
    const prompt = chosen.slice(0, -1)
    const answers = [chosen.at(-1)!, rejected.at(-1)!] as const
    if (answers.some(({ role }) => role !== 'assistant'))
      fault("a list does not end with the assistant's turn")
    if (prompt.length === 0 || JSON.stringify(prompt) !== JSON.stringify(rejected.slice(0, -1))) {
      fault('`chosen` and `rejected` do not answer one and the same prompt')
    }
    const chosenScore = optional(row, 'score_chosen', asNumber)
    const rejectedScore = optional(row, 'score_rejected', asNumber)
    return {
      samples: [
        {
          kind: 'comparison',
          prompt,
          chosen: answers[0].content,
          rejected: answers[1].content,
          ...(chosenScore !== undefined && { chosenScore }),
          ...(rejectedScore !== undefined && { rejectedScore }),
        },
      ],
    }
  },
}
