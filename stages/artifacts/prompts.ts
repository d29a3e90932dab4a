/** @file `prompts` and `questions`: what a model is asked, without and with the right answer. */
import { parsePrompt, parseQuestion } from '../../lm/text/rows.ts'
import { plural } from './check/count.ts'
import { rowArtifact } from './check/row-artifact.ts'

export const prompts = rowArtifact({
  name: 'prompts',
  description: 'Prompts to answer: {prompt, id?}',
  parseRow: parsePrompt,
  describeRows: (rows) => plural(rows.length, 'prompt'),
  example: '{"prompt": "..."}',
})

export const questions = rowArtifact({
  name: 'questions',
  description: 'Prompts with their right answers: {prompt, answer, task?}',
  extends: 'prompts',
  parseRow: parseQuestion,
  describeRows: (rows) => plural(rows.length, 'question'),
  example: '{"prompt": "...", "answer": "..."}',
})
