/** @file The training stages on the very rows, settings and starting adapter that TRL's trainers were given. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readRewards } from '../../lm/text/rows.ts'
import { optimisePolicy } from '../../stages/grpo/optimise.ts'
import { loadPolicy } from '../../stages/training/policy.ts'
import { type PolicyGradientBatch, type RunReference, readReference, referencePath } from '../lm/reference.ts'
import type { LogRow } from './training-runs.ts'
import { adapterDifference, expectRelative, trainingParams } from './trl-runs.ts'

const scratch = mkdtempSync(join(tmpdir(), 'training-parity-'))
afterAll(() => rmSync(scratch, { recursive: true }))

/** What the engine hands a stage, with outputs of its own for each run. */
function contextOf(name: string) {
  const folder = mkdtempSync(join(scratch, `${name}-`))
  return {
    outputs: { adapter: join(folder, 'adapter'), log: join(folder, 'log.jsonl') },
    device: 'cpu',
    threads: 1,
    checkpoint: join(folder, 'checkpoint'),
    signal: new AbortController().signal,
    progress() {},
    log() {},
    warn() {},
  }
}

const policy = { model: referencePath('models/qwen2'), adapter: referencePath('adapters/qwen2') }

function readLog(file: string): LogRow[] {
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as LogRow)
}

describe('grpo and gspo against TRL, several updates off the old policy', () => {
  const runs = readReference<Record<string, RunReference<PolicyGradientBatch>>>(
    'training/policy-gradient.json',
  )
  const data = referencePath('training/grpo-rows.jsonl')

  it.each(Object.keys(runs))('%s: every step', async (name) => {
    const { settings, steps } = runs[name]!
    const context = contextOf(name)
    const params = {
      ...trainingParams(settings),
      // TRL takes its one generation batch `num_iterations` times; ours are epochs over the same rows.
      epochs: settings.num_iterations as number,
      max_length: 128,
      epsilon_low: settings.epsilon as number,
      epsilon_high: (settings.epsilon_high ?? settings.epsilon) as number,
      beta: settings.beta as number,
      scale_rewards: settings.scale_rewards as 'group' | 'batch' | 'none',
      drop_zero_std: false,
      mask_truncated: settings.mask_truncated_completions as boolean,
      max_completion_length: settings.max_completion_length as number,
      temperature: settings.temperature as number,
    }
    // Not through the gspo stage, which reads whole groups: TRL's batches mix them.
    const course =
      settings.importance_sampling_level === 'token'
        ? ({ stage: 'grpo', level: 'token', aggregation: settings.loss_type as 'dapo' } as const)
        : ({ stage: 'gspo', level: 'sequence', aggregation: 'grpo' } as const)
    const start = await loadPolicy(policy, params, context)
    await optimisePolicy(course, start, readRewards(data), params, context.outputs, context)
    const log = readLog(context.outputs.log)
    expect(log).toHaveLength(steps.length)
    log.forEach((row, index) => {
      const theirs = steps[index]!.log
      expect(Math.abs(row.loss! - theirs.loss!), `loss at step ${index + 1}`).toBeLessThan(5e-6)
      if (theirs.grad_norm === 0) expect(row.grad_norm).toBe(0)
      else expectRelative(row.grad_norm, theirs.grad_norm, 2e-5, `grad_norm at step ${index + 1}`)
      expectRelative(row.learning_rate, theirs.learning_rate, 1e-7, `learning_rate at step ${index + 1}`)
      if (theirs.kl !== undefined) expect(row.kl).toBeCloseTo(theirs.kl!, 5)
      // Over tokens here; TRL means over micro-batches, and over sequences where the ratio is theirs.
      const overTokens =
        settings.gradient_accumulation_steps === 1 && settings.importance_sampling_level === 'token'
      if (overTokens) expect(row.clip_ratio).toBeCloseTo(theirs['clip_ratio/region_mean']!, 5)
    })
    if (name === 'grpo') {
      expect(adapterDifference(context.outputs.adapter, referencePath('training/grpo'))).toBeLessThan(1e-5)
    }
  })
})
