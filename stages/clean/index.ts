/**
 * @file clean: judged candidates -> preference pairs, rewards and reward groups, with counters.
 *
 * `scores: shuffled` is the control experiment: the same data with each prompt's scores dealt out at random. What a
 * method gains on it, the judge did not bring about.
 */
import { writeFile } from 'node:fs/promises'
import { defineStage, StageFailure, Type } from 'flow/stage'
import { jsonLines } from '../../lm/text/json-lines.ts'
import { type PreferenceRow, readJudged, readPreferences } from '../../lm/text/rows.ts'
import { writeMetrics } from '../metrics/write-metrics.ts'
import { hasSpread, rowsOfPairs, trainingRows } from './training-rows.ts'

export default defineStage({
  name: 'clean',
  description: 'Turns judged candidates into preference pairs, rewards and reward groups',
  inputs: {
    judged: { type: ['judged', 'judged-full'], description: 'Candidates with their scores' },
    fallback: {
      type: 'preferences',
      optional: true,
      description: 'Ready pairs, used (with a warning) where the judged candidates yield none',
    },
  },
  outputs: {
    preferences: { type: 'preferences', description: 'Best against worst reply of each prompt' },
    rewards: { type: 'rewards', description: 'Every scored reply; `group` numbers the prompts' },
    groups: { type: 'reward-groups', description: 'All scored replies of a prompt, softmax weights' },
    counters: { type: 'metrics', description: 'total, kept, had_nan, dropped_tie, dropped_other, ...' },
  },
  params: Type.Object({
    ties: Type.Union([Type.Literal('drop'), Type.Literal('keep')], {
      default: 'drop',
      description: 'Prompts whose scores are all equal: dropped, or kept as a pair drawn at random',
    }),
    min_gap: Type.Number({
      default: 0,
      minimum: 0,
      description: 'The best score must exceed the worst by more than this',
    }),
    temperature: Type.Number({
      default: 1,
      exclusiveMinimum: 0,
      description: 'Weights of a group are softmax(reward / temperature)',
    }),
    scores: Type.Union([Type.Literal('judged'), Type.Literal('shuffled')], {
      default: 'judged',
      description: '`shuffled`: the control experiment, scores permuted at random within each prompt',
    }),
    seed: Type.Integer({ default: 0, description: 'Of the choice among equals and of the shuffling' }),
  }),
  light: true,
  async run({ inputs, outputs, params, log, warn }) {
    const found = trainingRows(readJudged(inputs.judged), {
      ties: params.ties,
      minGap: params.min_gap,
      temperature: params.temperature,
      scores: params.scores,
      seed: params.seed,
    })
    const { counters } = found
    log(
      `${counters.kept} of ${counters.total} prompts kept; dropped: ${counters.dropped_tie} ties, ${counters.dropped_other} others; ${counters.unscored} of ${counters.candidates} candidates have no score`,
    )
    let { preferences, rewards, groups } = found
    let fallbackPairs = 0
    if (preferences.length === 0) {
      const pairs = fallbackRows(inputs.fallback, counters.total)
      fallbackPairs = pairs.length
      warn(
        `NO PAIR was made of ${counters.total} judged prompts: the ${pairs.length} pairs of \`fallback\` stand in`,
      )
      preferences = pairs
      if (!hasSpread(rewards)) {
        warn('the scores do not differ within any prompt: rewards and groups come from `fallback` too')
        ;({ rewards, groups } = rowsOfPairs(pairs, params.temperature))
      }
    }
    await writeFile(outputs.preferences, jsonLines(preferences))
    await writeFile(outputs.rewards, jsonLines(rewards))
    await writeFile(outputs.groups, jsonLines(groups))
    const values = { ...counters, fallback_pairs: fallbackPairs }
    writeMetrics(outputs.counters, 'clean', values)
  },
})

function fallbackRows(fallback: string | undefined, total: number): readonly PreferenceRow[] {
  if (fallback !== undefined) return readPreferences(fallback)
  throw new StageFailure({
    code: 'no-pairs',
    message: `none of ${total} judged prompts gave a pair`,
    hint: 'read the verdicts in the judged file; ties are dropped unless `ties: keep`; or give ready pairs as `fallback`',
  })
}
