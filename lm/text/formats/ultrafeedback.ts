/** @file UltraFeedback as published: an `instruction` and several `completions` with an `overall_score` each. */
import { asNumber, asObject, asString, fault, list, nonEmptyText, optional } from '../fields.ts'
import type { DatasetFormat } from './format.ts'

export const ultrafeedback: DatasetFormat = {
  name: 'ultrafeedback',
  description: 'instruction, completions [{response, model, overall_score}]',
  sampleKind: 'scored',
  detect: (row) => 'instruction' in row && 'completions' in row,
  read: (row) => {
    const prompt = [{ role: 'user', content: nonEmptyText(row, 'instruction') }] as const
    const completions = list(row, 'completions', (value, name) => {
      const completion = asObject(value, name)
      return {
        text: asString(completion.response, `\`response\` of ${name}`),
        score: optional(completion, 'overall_score', asNumber),
      }
    })
    const responses = completions.flatMap(({ text, score }) => (score === undefined ? [] : [{ text, score }]))
    if (responses.length === 0) fault('no completion has an `overall_score`')
    const isPartial = responses.length < completions.length
    return {
      samples: [{ kind: 'scored', prompt, responses }],
      ...(isPartial && { repairs: ['completions without a score dropped'] }),
    }
  },
}
