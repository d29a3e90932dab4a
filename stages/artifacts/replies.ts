/** @file `replies`: a model's answers to questions, graded. */
import { asString, fault, type Parsed, parse } from '../../lm/text/fields.ts'
import { plural } from './check/count.ts'
import { rowArtifact } from './check/row-artifact.ts'

interface GradedReply {
  readonly answer: string
  readonly reply: string
  readonly correct: boolean
}

function parseReply(row: unknown): Parsed<GradedReply> {
  return parse(row, (fields) => ({
    ...fields,
    answer: typeof fields.answer === 'number' ? String(fields.answer) : asString(fields.answer, '`answer`'),
    reply: asString(fields.reply, '`reply`'),
    correct: typeof fields.correct === 'boolean' ? fields.correct : fault('`correct` is not true or false'),
  }))
}

export const replies = rowArtifact({
  name: 'replies',
  description: 'Answered questions: {prompt, answer, reply, correct}',
  parseRow: parseReply,
  describeRows: (rows) =>
    `${plural(rows.length, 'reply', 'replies')}, ${rows.filter((row) => row.correct).length} right`,
  example: '{"prompt": "What is 2 plus 2?", "answer": "4", "reply": "Answer: 4", "correct": true}',
})
