/** @file `instructions`: conversations to learn from. */
import { parseInstruction } from '../../lm/text/rows.ts'
import { plural } from './check/count.ts'
import { rowArtifact } from './check/row-artifact.ts'

export const instructions = rowArtifact({
  name: 'instructions',
  description:
    'Conversations to learn from, a JSON array or JSON Lines: {instruction, input?, output}, {messages} or {prompt, completion}',
  extends: 'dataset',
  parseRow: parseInstruction,
  describeRows: (rows) => plural(rows.length, 'conversation'),
  arrayAllowed: true,
  example: '{"instruction": "...", "output": "..."}',
})
