import { writeFileSync } from 'node:fs'
import type { ContextOf } from 'flow/stage'
import { gradeReplies, scoreReplies } from '../../lm/evaluation/score-replies.ts'
import { readQuestions } from '../../lm/text/rows.ts'
import { openWriter } from '../sampling/local-writer.ts'
import { reportProgress } from '../sampling/writer.ts'
import type stage from './index.ts'

export async function evaluate({
  inputs,
  outputs,
  params,
  ...context
}: ContextOf<typeof stage>): Promise<void> {
  const questions = readQuestions(inputs.questions).slice(0, params.limit === 0 ? undefined : params.limit)
  const options = {
    match: params.match,
    patterns: params.patterns,
    ...(params.answer_pattern !== undefined && { answerPattern: params.answer_pattern }),
  }
  const writer = await openWriter(inputs, context)
  const answers = await writer.write(
    questions.map(({ prompt }) => prompt),
    params,
    { signal: context.signal, progress: reportProgress(questions.length, context.progress) },
  )
  const replies = answers.map(({ text }) => text)
  const request = { replies, questions, options }
  const tokens = answers.reduce((sum, { ids }) => sum + ids.length, 0)
  const scores = scoreReplies(request)
  const values = { ...scores, mean_tokens: tokens / Math.max(1, answers.length) }
  writeFileSync(outputs.metrics, `${JSON.stringify({ stage: 'evaluate', values }, null, 2)}\n`)
  const correct = gradeReplies(request)
  const rows = questions.map((question, index) => ({
    ...question,
    reply: replies[index]!,
    correct: correct[index]!,
  }))
  writeFileSync(outputs.replies, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  context.log(`exact match ${(100 * scores.exact_match!).toFixed(1)}% of ${questions.length} questions`)
}
