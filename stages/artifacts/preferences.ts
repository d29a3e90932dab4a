/** @file `preferences`: pairs of a better and a worse reply. */
import { fault, parse } from '../../lm/text/fields.ts'
import { type PreferenceRow, parsePreference } from '../../lm/text/rows.ts'
import { plural } from './check/count.ts'
import { rowArtifact } from './check/row-artifact.ts'

export const preferences = rowArtifact({
  name: 'preferences',
  description: 'Pairs of a better and a worse reply: {prompt, chosen, rejected}',
  parseRow: (row) =>
    parse(row, (fields): PreferenceRow => {
      const parsed = parsePreference(fields)
      if (parsed.fault !== undefined) fault(parsed.fault)
      if (parsed.value.chosen === parsed.value.rejected) fault('`chosen` and `rejected` are the same text')
      return parsed.value
    }),
  describeRows: (rows) => plural(rows.length, 'pair'),
  example: '{"prompt": "...", "chosen": "...", "rejected": "..."}',
})
