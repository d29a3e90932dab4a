import { writeFileSync } from 'node:fs'
import type { ContextOf } from 'flow/stage'
import { gradeReplies, scoreReplies } from '../../lm/evaluation/score-replies.ts'
import { jsonLines } from '../../lm/text/json-lines.ts'
import { readQuestions } from '../../lm/text/rows.ts'
import { writeMetrics } from '../metrics/write-metrics.ts'
import { chooseWriter } from '../sampling/choose-writer.ts'
import { reportProgress, type Written } from '../sampling/writer.ts'
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
  const writer = await chooseWriter(inputs, params, context)
  const answers = await writer.write(
    questions.map(({ prompt }) => prompt),
    params,
    { signal: context.signal, progress: reportProgress(questions.length, context.progress) },
  )
  const replies = answers.map(({ text }) => text)
  const request = { replies, questions, options }
  const scores = scoreReplies(request)
  const values = { ...scores, ...meanTokens(answers) }
  writeMetrics(outputs.metrics, 'evaluate', values)
  const correct = gradeReplies(request)
  const rows = questions.map((question, index) => ({
    ...question,
    reply: replies[index]!,
    correct: correct[index]!,
  }))
  writeFileSync(outputs.replies, jsonLines(rows))
  context.log(`exact match ${(100 * scores.exact_match!).toFixed(1)}% of ${questions.length} questions`)
}

/** A served model does not tell its tokens. */
function meanTokens(answers: readonly Written[]): { mean_tokens?: number } {
  const lengths = answers.flatMap(({ ids }) => (ids === undefined ? [] : [ids.length]))
  if (lengths.length < answers.length) return {}
  return { mean_tokens: lengths.reduce((sum, length) => sum + length, 0) / Math.max(1, lengths.length) }
}
