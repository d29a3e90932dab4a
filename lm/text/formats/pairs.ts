/** @file Flow's own preference rows: `prompt`, and `chosen` and `rejected` as texts, with scores where there are any. */
import { fault } from '../fields.ts'
import { promptMessages } from '../messages.ts'
import { parsePreference } from '../row-types.ts'
import type { DatasetFormat } from './format.ts'

export const pairs: DatasetFormat = {
  name: 'pairs',
  description: 'prompt, chosen, rejected [, chosen_score, rejected_score]',
  sampleKind: 'comparison',
  detect: (row) => 'prompt' in row && 'chosen' in row && 'rejected' in row && !Array.isArray(row.chosen),
  read: (row) => {
    const parsed = parsePreference(row)
    if (parsed.fault !== undefined) return fault(parsed.fault)
    const {
      prompt,
      chosen,
      rejected,
      chosen_score: chosenScore,
      rejected_score: rejectedScore,
    } = parsed.value
    return {
      samples: [
        {
          kind: 'comparison',
          prompt: promptMessages(prompt),
          chosen,
          rejected,
          ...(chosenScore !== undefined && { chosenScore }),
          ...(rejectedScore !== undefined && { rejectedScore }),
        },
      ],
    }
  },
}
