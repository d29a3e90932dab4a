/** @file The training stages on the very rows, settings and starting adapter that TRL's trainers were given. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { readAdapter } from '../../lm/checkpoint/peft.ts'
import { readRewards } from '../../lm/text/rows.ts'
import dpo from '../../stages/dpo/index.ts'
import grpo from '../../stages/grpo/index.ts'
import { optimisePolicy } from '../../stages/grpo/optimise.ts'
import sft from '../../stages/sft/index.ts'
import { loadPolicy } from '../../stages/training/policy.ts'
import {
  type DpoBatch,
  largestDifference,
  type PolicyGradientBatch,
  type RunReference,
  readReference,
  referencePath,
  type SftBatch,
} from '../lm/reference.ts'

const scratch = mkdtempSync(join(tmpdir(), 'training-parity-'))
afterAll(() => rmSync(scratch, { recursive: true }))

type LogRow = Readonly<Record<string, number>>

/** TRL's settings under our stages' names. */
function trainingParams(settings: Readonly<Record<string, unknown>>) {
  const number = (name: string) => settings[name] as number
  return {
    epochs: number('num_train_epochs'),
    max_steps: Math.max(0, number('max_steps')),
    batch_size: number('per_device_train_batch_size'),
    gradient_accumulation_steps: number('gradient_accumulation_steps'),
    learning_rate: number('learning_rate'),
    lr_scheduler: settings.lr_scheduler_type as 'linear' | 'cosine' | 'constant',
    warmup: number('warmup_steps'),
    weight_decay: number('weight_decay'),
    max_grad_norm: number('max_grad_norm'),
    max_length: number('max_length'),
    shuffle: false,
    group_by_length: false,
    seed: 0,
    lora: { r: 8, alpha: 16, targets: ['q_proj'], rslora: false },
  }
}

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

function expectRelative(
  ours: number | undefined,
  theirs: number | null | undefined,
  tolerance: number,
  what: string,
) {
  const difference = Math.abs(ours! - theirs!) / Math.max(Math.abs(theirs!), 1e-12)
  expect(difference, `${what}: ${ours} against ${theirs}`).toBeLessThan(tolerance)
}

/** Largest difference of two PEFT folders' matrices. */
function adapterDifference(ours: string, theirs: string): number {
  const [mine, expected] = [readAdapter(ours).tensors, readAdapter(theirs).tensors]
  expect([...mine.keys()].sort()).toEqual([...expected.keys()].sort())
  return Math.max(...[...expected].map(([name, { data }]) => largestDifference(mine.get(name)!.data, data)))
}

describe('sft against TRL', () => {
  const runs = readReference<Record<string, RunReference<SftBatch>>>('training/sft.json')

  it.each(Object.keys(runs))('%s: every step, and the adapter after the last', async (name) => {
    const { settings, steps } = runs[name]!
    const context = contextOf(name)
    await sft.run({
      ...context,
      inputs: { ...policy, data: { rows: referencePath('training/sft-rows.jsonl') } },
      params: { ...trainingParams(settings), train_on_prompt: settings.completion_only_loss === false },
    })
    const log = readLog(context.outputs.log)
    expect(log).toHaveLength(steps.length)
    log.forEach((row, index) => {
      const { log: theirs, batches } = steps[index]!
      expectRelative(row.loss, theirs.loss, 5e-6, `loss at step ${index + 1}`)
      expectRelative(row.grad_norm, theirs.grad_norm, 5e-6, `grad_norm at step ${index + 1}`)
      expectRelative(row.learning_rate, theirs.learning_rate, 1e-7, `learning_rate at step ${index + 1}`)
      expect(row.epoch).toBeCloseTo(theirs.epoch!, 3)
      // TRL logs the plain mean over micro-batches, we weigh by tokens.
      const counts = batches!.map(
        ({ labels }) => labels.flatMap((ids) => ids.slice(1)).filter((id) => id !== -100).length,
      )
      const correct = batches!.map(({ token_accuracy }, micro) => token_accuracy * counts[micro]!)
      const sum = (values: number[]) => values.reduce((a, b) => a + b, 0)
      expect(row.mean_token_accuracy).toBeCloseTo(sum(correct) / sum(counts), 6)
    })
    expect(adapterDifference(context.outputs.adapter, referencePath(`training/sft-${name}`))).toBeLessThan(
      2e-5,
    )
  })
})

describe('dpo against TRL', () => {
  const runs = readReference<Record<string, RunReference<DpoBatch>>>('training/dpo.json')
  const metrics = [
    'rewards/chosen',
    'rewards/rejected',
    'rewards/margins',
    'rewards/accuracies',
    'logps/chosen',
    'logps/rejected',
  ]

  it.each(Object.keys(runs))('%s: every step', async (name) => {
    const { settings, steps } = runs[name]!
    const context = contextOf(name)
    await dpo.run({
      ...context,
      inputs: { ...policy, data: referencePath('training/dpo-rows.jsonl') },
      params: {
        ...trainingParams(settings),
        beta: settings.beta as number,
        loss: name as 'sigmoid',
        label_smoothing: settings.label_smoothing as number,
        rpo_alpha: name === 'rpo' ? (settings.loss_weights as number[])[1]! : 1,
      },
    })
    const log = readLog(context.outputs.log)
    expect(log).toHaveLength(steps.length)
    log.forEach((row, index) => {
      const theirs = steps[index]!.log
      expectRelative(row.loss, theirs.loss, 1e-5, `loss at step ${index + 1}`)
      expectRelative(row.grad_norm, theirs.grad_norm, 2e-5, `grad_norm at step ${index + 1}`)
      expectRelative(row.learning_rate, theirs.learning_rate, 1e-7, `learning_rate at step ${index + 1}`)
      for (const metric of metrics) {
        // Rewards are differences of sums of about 200: their float32 noise is absolute.
        if (Math.abs(row[metric]! - theirs[metric]!) < 1e-5) continue
        // Before the first move every pair is a tie, up to the last bit of reference sums from other batches.
        if (metric === 'rewards/accuracies' && theirs['rewards/margins'] === 0) continue
        expectRelative(row[metric], theirs[metric], 3e-5, `${metric} at step ${index + 1}`)
      }
    })
    if (name === 'sigmoid') {
      expect(adapterDifference(context.outputs.adapter, referencePath('training/dpo-sigmoid'))).toBeLessThan(
        1e-5,
      )
    }
  })
})

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
    if (settings.importance_sampling_level === 'token') {
      const loss_type = settings.loss_type as 'grpo' | 'bnpo' | 'dr_grpo' | 'dapo'
      await grpo.run({
        ...context,
        inputs: { ...policy, data },
        params: { ...params, objective: 'grpo', loss_type },
      })
    } else {
      // The gspo stage reads whole groups; TRL's batches mix them.
      const course = { stage: 'gspo', level: 'sequence', aggregation: 'grpo' } as const
      const start = await loadPolicy(policy, params, context)
      await optimisePolicy(course, start, readRewards(data), params, context.outputs, context)
    }
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
