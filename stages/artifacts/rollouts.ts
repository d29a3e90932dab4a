/** @file `rollouts`: what a policy said while it was trained online, and what became of it. */
import {
  asInteger,
  asNumber,
  asObject,
  asPrompt,
  asString,
  orNull,
  type Parsed,
  parse,
} from '../../lm/text/fields.ts'
import { plural } from './check/count.ts'
import { rowArtifact } from './check/row-artifact.ts'

interface RolloutRow {
  readonly step: number
  readonly reward: number | null
}

function parseRollout(row: unknown): Parsed<RolloutRow> {
  return parse(row, (fields) => {
    asPrompt(fields.prompt, '`prompt`')
    asString(fields.completion, '`completion`')
    asNumber(fields.advantage, '`advantage`')
    const rewards = asObject(fields.rewards, '`rewards`')
    for (const name of Object.keys(rewards)) orNull(rewards, name, asNumber)
    return {
      ...fields,
      step: asInteger(fields.step, '`step`'),
      reward: orNull(fields, 'reward', asNumber),
    }
  })
}

export const rollouts = rowArtifact({
  name: 'rollouts',
  description:
    'Completions sampled in training: {step, prompt, completion, finished, rewards, reward, advantage}',
  parseRow: parseRollout,
  emptyAllowed: true,
  describeRows: (rows) =>
    rows.length === 0 ? 'none: trained offline' : `${plural(rows.length, 'completion')} in training`,
  example:
    '{"step": 1, "prompt": "...", "completion": "...", "rewards": {"correct": 1}, "reward": 1, "advantage": 0.7}',
})
