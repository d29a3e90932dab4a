import { writeFileSync } from 'node:fs'
import { type ContextOf, StageFailure } from 'flow/stage'
import { jsonLines } from '../../lm/text/json-lines.ts'
import { judgeSettings } from '../judge/ask-judge.ts'
import { chooseRubric } from '../judge/choose-rubric.ts'
import { compareReplies } from '../judge/compare-replies.ts'
import { checkReferences, questionOf } from '../judge/questions.ts'
import { writeMetrics } from '../metrics/write-metrics.ts'
import { chooseWriter } from '../sampling/choose-writer.ts'
import type stage from './index.ts'
import { winRateMetrics } from './metrics.ts'
import { pairReplies } from './pair-replies.ts'

export async function compareSets({
  inputs,
  outputs,
  params,
  ...context
}: ContextOf<typeof stage>): Promise<void> {
  const rubric = chooseRubric(inputs.rubric, params)
  if (rubric.mode !== 'pairwise') {
    throw new StageFailure({
      code: 'invalid-rubric',
      message: 'the rubric scores single replies; a win rate needs one that compares two',
      hint: 'write {question}, {reply_a} and {reply_b} into it, or take the built-in one: `rubric: pairwise`',
    })
  }
  const settings = judgeSettings(rubric, params)
  const pairs = pairReplies(inputs.a, inputs.b)
  const rows = pairs.map(({ fields, prompt }) => ({ ...fields, prompt }))
  checkReferences(rubric, rows, inputs.a)
  const writer = await chooseWriter(inputs, params, context)
  const comparisons = pairs.map(({ a, b }, index) => ({ ...questionOf(rows[index]!), a, b }))
  const verdicts = await compareReplies(writer, comparisons, settings, context)
  const values = winRateMetrics(pairs, verdicts)
  if (values === undefined) {
    throw new StageFailure({
      code: 'no-verdicts',
      message: `none of the ${pairs.length} comparisons has a verdict that could be read`,
      hint: '`score_from: logits` reads one from any model',
    })
  }
  writeMetrics(outputs.metrics, 'win-rate', values)
  const judgedPairs = pairs.map(({ prompt, a, b }, index) => {
    const { outputs: judged, ...verdict } = verdicts[index]!
    return { prompt, a, b, ...verdict, judge_output: judged }
  })
  writeFileSync(outputs.verdicts, jsonLines(judgedPairs))
  const percent = (share: number) => `${(100 * share).toFixed(1)}%`
  context.log(
    `win rate ${percent(values.win_rate!)} (95% interval ${percent(values.win_rate_low!)} to ${percent(values.win_rate_high!)}): ${values.wins} won, ${values.ties} tied, ${values.losses} lost, ${values.unread} unread`,
  )
}
