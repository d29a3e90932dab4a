/**
 * @file Online runs against TRL's: its completions are replayed, and everything that follows from them is computed
 * here: rewards, advantages, old and reference log-probabilities, every update over several generation batches.
 */
import { describe, expect, it } from 'vitest'
import { readAdapter } from '../../lm/checkpoint/peft.ts'
import grpo from '../../stages/grpo/index.ts'
import { optimiseOnline } from '../../stages/grpo/online/run.ts'
import type { Sampler } from '../../stages/grpo/online/sampler.ts'
import { largestDifference, readReference, referencePath } from '../lm/reference.ts'
import { runStage, temporaryFile } from './run-stage.ts'
import { policy } from './training-runs.ts'

interface OnlineReference {
  readonly prompts: string[]
  readonly runs: Readonly<
    Record<
      string,
      {
        readonly settings: Readonly<Record<string, unknown>>
        /** Token ids by generation batch and completion. */
        readonly generations: number[][][]
        /** TRL's log. */
        readonly steps: Readonly<Record<string, number>>[]
      }
    >
  >
}

const reference = readReference<OnlineReference>('training/online.json')
const endOfTurn = 2

/** TRL's reward functions, in words of ours. */
const functions = {
  letters: `export default (batch) => batch.map(({ completion }) =>
    (completion.match(/[A-Za-z]/g)?.length ?? 0) / Math.max(1, [...completion].length))`,
  words: `export default (batch) => batch.map(({ completion }) =>
    completion.includes(' ') ? completion.split(' ').length / 2 : null)`,
}

function replay(generations: readonly number[][][]): () => Sampler {
  return () => ({
    async sample(prompts, generation) {
      const completions = generations[generation]!
      expect(completions).toHaveLength(prompts.length)
      return completions.map((ids) => ({ ids, finished: ids.at(-1) === endOfTurn }))
    },
    dispose() {},
  })
}

/** TRL's settings under our stages' names. */
function params(settings: Readonly<Record<string, unknown>>) {
  const number = (name: string) => settings[name] as number
  const weights = settings.reward_weights as number[] | null
  return {
    rollouts: 'online',
    epochs: number('num_train_epochs'),
    max_steps: number('max_steps'),
    batch_size: number('per_device_train_batch_size'),
    gradient_accumulation_steps: number('gradient_accumulation_steps'),
    steps_per_generation: number('steps_per_generation'),
    num_iterations: number('num_iterations'),
    num_generations: number('num_generations'),
    max_completion_length: number('max_completion_length'),
    temperature: number('temperature'),
    learning_rate: number('learning_rate'),
    lr_scheduler: settings.lr_scheduler_type,
    warmup: number('warmup_steps'),
    weight_decay: number('weight_decay'),
    max_grad_norm: number('max_grad_norm'),
    max_length: 128,
    shuffle: false,
    epsilon_low: number('epsilon'),
    epsilon_high: settings.epsilon_high ?? number('epsilon'),
    beta: number('beta'),
    scale_rewards: settings.scale_rewards,
    mask_truncated: settings.mask_truncated_completions,
    multi_objective_aggregation: settings.multi_objective_aggregation,
    reward_weights: weights === null ? {} : { letters: weights[0], words: weights[1] },
  }
}

async function run({ settings, generations }: OnlineReference['runs'][string]) {
  const names = settings.reward_weights === null ? (['letters'] as const) : (['letters', 'words'] as const)
  const reward = Object.fromEntries(names.map((name) => [name, temporaryFile(`${name}.js`, functions[name])]))
  const course =
    settings.importance_sampling_level === 'sequence'
      ? ({ stage: 'gspo', level: 'sequence', lossType: 'grpo' } as const)
      : ({ stage: 'grpo', level: 'token', lossType: settings.loss_type as 'dapo' } as const)
  const stage: typeof grpo = {
    ...grpo,
    run: ({ inputs, outputs, params, ...context }) =>
      optimiseOnline(course, inputs, params, outputs, context, replay(generations)),
  }
  const prompts = temporaryFile(
    'prompts.jsonl',
    reference.prompts.map((prompt) => ({ prompt })),
  )
  return runStage(stage, { ...policy, prompts, reward }, params(settings))
}

/** What depends on the completions alone. */
const sampled = /^(reward|reward_std|frac_reward_zero_std|rewards\/.*|completions\/.*|num_tokens)$/

describe('online rollouts against TRL', () => {
  it.each(Object.entries(reference.runs))('%s: every step', async (name, course) => {
    const online = await run(course)
    const log = online.rows('log') as Record<string, number>[]
    expect(log).toHaveLength(course.steps.length)
    log.forEach((row, index) => {
      const theirs = course.steps[index]!
      const at = (what: string) => `${what} at step ${index + 1}`
      expect(Math.abs(row.loss! - theirs.loss!), at('loss')).toBeLessThan(5e-6)
      expect(Math.abs(row.grad_norm! / theirs.grad_norm! - 1), at('grad_norm')).toBeLessThan(2e-5)
      expect(row.learning_rate, at('learning_rate')).toBeCloseTo(theirs.learning_rate!, 12)
      expect(row.epoch, at('epoch')).toBeCloseTo(theirs.epoch!, 3)
      const measured = Object.keys(theirs).filter((column) => /^(kl|entropy|clip_ratio\/.*)$/.test(column))
      expect(measured.length).toBeGreaterThan(5)
      for (const column of measured) expect(row[column], at(column)).toBeCloseTo(theirs[column]!, 5)
      const names = Object.keys(theirs).filter((column) => sampled.test(column))
      expect(
        Object.keys(row)
          .filter((column) => sampled.test(column))
          .sort(),
      ).toEqual(
        // Tokens count on where nothing was sampled; TRL leaves them out.
        [...new Set([...names, 'num_tokens'])].sort(),
      )
      for (const column of names) {
        const difference = Math.abs(row[column]! - theirs[column]!)
        expect(difference, at(column)).toBeLessThan(1e-6 * Math.max(1, Math.abs(theirs[column]!)))
      }
    })
    if (name === 'grpo') {
      const [ours, theirs] = [online.outputs.adapter!, referencePath('training/online-grpo')].map(
        (folder) => readAdapter(folder).tensors,
      )
      for (const [matrix, { data }] of theirs!)
        expect(largestDifference(ours!.get(matrix)!.data, data), matrix).toBeLessThan(1e-5)
    }
  })
})
