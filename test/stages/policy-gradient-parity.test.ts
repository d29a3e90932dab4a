/** @file GRPO and its kin on the very completions, settings and starting adapter that TRL's trainer was given. */
import { describe, expect, it } from 'vitest'
import { readRewards } from '../../lm/text/rows.ts'
import grpo from '../../stages/grpo/index.ts'
import { readReference, referencePath } from '../lm/reference.ts'
import { runStage, temporaryFile } from './run-stage.ts'
import { logOf, policy } from './training-runs.ts'
import { adapterDifference, expectRelative, trainingParams } from './trl-runs.ts'

type Settings = Readonly<Record<string, unknown>>

interface PolicyGradientReference {
  readonly settings: Settings
  readonly runs: Readonly<
    Record<string, { readonly settings: Settings; readonly log: Readonly<Record<string, number[]>> }>
  >
}

const reference = readReference<PolicyGradientReference>('training/policy-gradient.json')
const stored = readRewards(referencePath('training/grpo-rows.jsonl'))

/** TRL's settings under our stages' names. */
function optimise(name: string, changed: object = {}) {
  const settings: Settings = { ...reference.settings, ...reference.runs[name]!.settings }
  // On policy there are no old log-probabilities.
  const isOnPolicy = settings.steps_per_generation === 1
  const rows = isOnPolicy ? stored.map(({ logps: _, ...row }) => row) : stored
  return runStage(
    grpo,
    { ...policy, data: temporaryFile('rows.jsonl', rows) },
    {
      ...trainingParams({ ...settings, max_steps: 0, max_length: 128 }),
      // TRL takes its one generation batch `num_iterations` times; ours are epochs over the same rows.
      epochs: isOnPolicy ? settings.max_steps : settings.num_iterations,
      loss_type: settings.loss_type,
      importance_sampling_level: settings.importance_sampling_level,
      epsilon_low: settings.epsilon,
      epsilon_high: settings.epsilon_high,
      delta: settings.delta ?? 0,
      beta: settings.beta,
      use_bias_correction_kl: settings.use_bias_correction_kl,
      scale_rewards: settings.scale_rewards,
      mask_truncated: settings.mask_truncated_completions,
      max_completion_length: settings.max_completion_length,
      temperature: settings.temperature,
      top_entropy_quantile: settings.top_entropy_quantile,
      sapo_temperature_neg: settings.sapo_temperature_neg ?? 1.05,
      vespo_k_neg: settings.vespo_k_neg ?? 3,
      ...changed,
    },
  )
}

/** Counted otherwise: TRL's epochs and tokens are those of its generation batches. */
const apart = new Set(['epoch', 'num_tokens', 'rewards/stored_reward/mean', 'rewards/stored_reward/std'])

describe('grpo and gspo against TRL, several updates off the old policy', () => {
  const runs = Object.keys(reference.runs).filter((name) => name !== 'dapo-minibatch')

  it.each(runs)('%s: every step', async (name) => {
    const run = await optimise(name)
    const log = logOf(run)
    const theirs = reference.runs[name]!.log
    expect(log).toHaveLength(theirs.loss!.length)
    for (const [step, row] of log.entries()) {
      const at = `at step ${step + 1}`
      for (const [column, values] of Object.entries(theirs)) {
        const expected = values[step]!
        if (apart.has(column)) continue
        if (column === 'grad_norm' && expected > 0) {
          expectRelative(row.grad_norm, expected, 5e-5, `grad_norm ${at}`)
          continue
        }
        const tolerance = (column === 'learning_rate' ? 1e-12 : 1e-5) * Math.max(1, Math.abs(expected))
        const difference = Math.abs(row[column]! - expected)
        expect(difference, `${column} ${at}: ${row[column]} against ${expected}`).toBeLessThan(tolerance)
      }
    }
    if (name === 'grpo') {
      expect(adapterDifference(run.outputs.adapter!, referencePath('training/grpo'))).toBeLessThan(1e-5)
    }
  })
})

describe('where the numbers differ from TRL on purpose', () => {
  it('dapo divides by the tokens of the update, TRL by those of a share of the generation batch', async () => {
    const [row] = logOf(await optimise('dapo-minibatch'))
    const tokens = stored.map(({ token_ids }) => token_ids!.length)
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)
    const ratio = sum(tokens) / 4 / sum(tokens.slice(0, 4))
    expect(Math.abs(ratio - 1)).toBeGreaterThan(0.1)
    const theirs = reference.runs['dapo-minibatch']!.log
    expect(row!.loss).toBeCloseTo(theirs.loss![0]! * ratio, 5)
    expectRelative(row!.grad_norm, theirs.grad_norm![0]! * ratio, 5e-5, 'grad_norm')
  })

  it('the KL penalty is plain unless it is told otherwise', async () => {
    const plain = logOf(await optimise('dapo-kl-corrected', { use_bias_correction_kl: false }))
    const theirs = reference.runs['dapo-kl-corrected']!.log
    expect(plain[0]!.loss).toBeCloseTo(theirs.loss![0]!, 5)
    expect(Math.abs(plain[3]!.kl! / theirs.kl![3]! - 1)).toBeGreaterThan(1e-3)
  })
})
