/** @file `documents`: plain texts to pre-train on. */
import { nonEmptyText, type Parsed, parse } from '../../lm/text/fields.ts'
import { plural } from './check/count.ts'
import { rowArtifact } from './check/row-artifact.ts'

function parseDocument(row: unknown): Parsed<{ readonly text: string }> {
  return parse(row, (fields) => ({ text: nonEmptyText(fields, 'text') }))
}

export const documents = rowArtifact({
  name: 'documents',
  description: 'Plain texts, one a row: {text}',
  parseRow: parseDocument,
  describeRows: (rows) => plural(rows.length, 'document'),
  example: '{"text": "..."}',
})
