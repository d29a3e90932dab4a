/** @file `responses`: candidates as the model sampled them, tokens included. */
import { parseResponse } from '../../lm/text/rows.ts'
import { plural } from './check/count.ts'
import { rowArtifact } from './check/row-artifact.ts'

export const responses = rowArtifact({
  name: 'responses',
  description:
    'Prompts with sampled candidates: {prompt, responses: [{text, token_ids?, logps?, finished?}]}',
  parseRow: parseResponse,
  describeRows: (rows) => {
    const candidates = rows.reduce((total, row) => total + row.responses.length, 0)
    return `${plural(rows.length, 'prompt')}, ${plural(candidates, 'candidate')}`
  },
  example:
    '{"prompt": "...", "responses": [{"text": "...", "token_ids": [], "logps": [], "finished": true}]}',
})
