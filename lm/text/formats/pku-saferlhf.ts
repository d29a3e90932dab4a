/**
 * @file PKU-SafeRLHF: two responses and two judgements that may disagree, `better_response_id` (helpfulness) and
 * `safer_response_id`; the option `preference` says which one makes the pair.
 */
import { fault, nonEmptyText, text } from '../fields.ts'
import type { DatasetFormat } from './format.ts'

export const pkuSaferlhf: DatasetFormat = {
  name: 'pku-saferlhf',
  description: 'prompt, response_0, response_1, better_response_id, safer_response_id',
  sampleKind: 'comparison',
  detect: (row) => 'response_0' in row && 'response_1' in row,
  read: (row, { preference = 'better' }) => {
    const field = preference === 'better' ? 'better_response_id' : 'safer_response_id'
    const preferred = row[field]
    if (preferred !== 0 && preferred !== 1) fault(`\`${field}\` is ${JSON.stringify(preferred)}, not 0 or 1`)
    const responses = [text(row, 'response_0'), text(row, 'response_1')] as const
    return {
      samples: [
        {
          kind: 'comparison',
          prompt: [{ role: 'user', content: nonEmptyText(row, 'prompt') }],
          chosen: responses[preferred],
          rejected: responses[preferred === 0 ? 1 : 0],
        },
      ],
    }
  },
}
