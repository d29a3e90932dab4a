/** @file What a judge's scores come to, in all and by the fields of the rows. */
import { defineStage, StageFailure, Type } from 'flow/stage'
import { readJudged } from '../../lm/text/rows.ts'
import { writeMetrics } from '../metrics/write-metrics.ts'
import { tallyScores } from './tally.ts'

export default defineStage({
  name: 'tally',
  description: "Averages a judge's scores, in all and by category",
  inputs: { judged: { type: 'judged-full', description: 'Every row of the judge' } },
  outputs: {
    metrics: {
      type: 'metrics',
      description: 'score, score_low, score_high, scored, unscored, score/FIELD/VALUE',
    },
  },
  params: Type.Object({
    by: Type.Array(Type.String({ minLength: 1 }), {
      default: ['category', 'turn'],
      description: 'Fields of the rows to break the score down by; rows without one do not count there',
    }),
  }),
  light: true,
  async run({ inputs, outputs, params, log }) {
    const rows = readJudged(inputs.judged)
    const values = tallyScores(rows, params.by)
    if (values === undefined) {
      throw new StageFailure({
        code: 'no-scores',
        message: 'no reply has a score',
        hint: "the judge's verdicts could not be read; `score_from: logits` reads one from any model",
      })
    }
    writeMetrics(outputs.metrics, 'tally', values)
    log(`score ${values.score!.toFixed(2)} over ${values.scored} replies, ${values.unscored} without a score`)
  },
})
