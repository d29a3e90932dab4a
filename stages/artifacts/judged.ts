/** @file `judged`, `judged-full` and `samples`: candidates with the judge's verdicts. */
import { fault, parse } from '../../lm/text/fields.ts'
import { type JudgedRow, parseJudged } from '../../lm/text/rows.ts'
import { plural } from './check/count.ts'
import { rowArtifact } from './check/row-artifact.ts'

const example =
  '{"instruction": "...", "candidates": [{"response": "...", "score": 4.5, "judge_output": "..."}], "chosen": "...", "chosen_score": 4.5, "rejected": "...", "rejected_score": 1}'

function describeRows(rows: readonly JudgedRow[]): string {
  const candidates = rows.flatMap((row) => row.candidates)
  const scored = candidates.filter((candidate) => candidate.score !== null).length
  return `${plural(rows.length, 'prompt')}, ${scored.toLocaleString('en-US')} of ${plural(candidates.length, 'candidate')} scored`
}

export const judged = rowArtifact({
  name: 'judged',
  description: 'Prompts of which at least two candidates have a score, with the best and the worst of them',
  parseRow: (row) =>
    parse(row, (fields): JudgedRow => {
      const parsed = parseJudged(fields)
      if (parsed.fault !== undefined) fault(parsed.fault)
      if (parsed.value.chosen === null)
        fault('has no `chosen` and `rejected`; such rows are for `judged-full`')
      return parsed.value
    }),
  describeRows,
  // A judge whose verdicts cannot be read leaves no row; `clean` then falls back or says so.
  emptyAllowed: true,
  example,
})

export const judgedFull = rowArtifact({
  name: 'judged-full',
  description: 'Every prompt that was judged; has_valid_pair tells whether two candidates have a score',
  parseRow: (row) =>
    parse(row, (fields): JudgedRow => {
      const parsed = parseJudged(fields)
      if (parsed.fault !== undefined) fault(parsed.fault)
      if (parsed.value.has_valid_pair === undefined) fault('has no `has_valid_pair`')
      return parsed.value
    }),
  describeRows,
  example: example.replace('}', ', "has_valid_pair": true}'),
})

export const samples = rowArtifact({
  name: 'samples',
  description: 'A random sample of judged candidates for people to read',
  parseRow: (row) => parse(row, (fields) => fields),
  describeRows: (rows) => plural(rows.length, 'sample'),
  emptyAllowed: true,
  example: '{"instruction": "...", "response": "...", "score": 4}',
})
