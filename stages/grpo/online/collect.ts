/** @file Asks the policy as it is now, scores what it says and compares it: one generation batch. */
import type { Sequence } from '../../../lm/batches/sequence.ts'
import type { Tokenizer } from '../../../lm/text/tokenizer.ts'
import {
  type Advantages,
  groupAdvantages,
  type RewardAggregation,
  type RewardScale,
} from '../../../lm/training/advantages.ts'
import type { RolloutSchedule } from '../../../lm/training/rollout-schedule.ts'
import type { ScoringHooks, SequenceScorer } from '../../../lm/training/score-sequences.ts'
import type { Reward } from '../../rewards/reward.ts'
import { answerText } from '../../sampling/local-writer.ts'
import { lengthColumns, rewardColumns } from '../measure.ts'
import type { Sample } from '../samples.ts'
import { countedTokens, type PolicyTaskSettings } from '../task.ts'
import type { OnlinePrompt } from './prompts.ts'
import type { Collected, RolloutRow } from './rollout.ts'
import type { SampledCompletion, Sampler } from './sampler.ts'

export interface CollectorParts {
  readonly prompts: readonly OnlinePrompt[]
  readonly schedule: RolloutSchedule
  readonly sampler: Sampler
  readonly rewards: readonly Reward[]
  readonly tokenizer: Tokenizer
  /** Scores under the policy as it is now. */
  readonly old: SequenceScorer
  /** Scores under the policy as it entered; only where a KL penalty needs it. */
  readonly reference: SequenceScorer | undefined
  readonly task: PolicyTaskSettings
}

export interface CollectorSettings {
  readonly num_generations: number
  readonly seed: number
  readonly scale_rewards: RewardScale
  readonly multi_objective_aggregation: RewardAggregation
  readonly reward_weights: Readonly<Record<string, number>>
}

export interface CollectorHooks {
  readonly signal: AbortSignal
  /** `tokensPerSecond` while it samples. */
  progress(note: string, tokensPerSecond?: number): void
}

/** @param step the update that it is sampled for, from 1 */
export async function collectRollout(
  parts: CollectorParts,
  settings: CollectorSettings,
  generation: number,
  step: number,
  hooks: CollectorHooks,
): Promise<Collected> {
  const { prompts, schedule, sampler, rewards, tokenizer, task } = parts
  const asked = schedule
    .prompts(generation)
    .flatMap((index) => Array.from({ length: settings.num_generations }, () => prompts[index]!))
  const completions = await sampler.sample(
    asked.map(({ ids }) => ids),
    generation,
    {
      signal: hooks.signal,
      progress: ({ prompts: done, tokensPerSecond }) =>
        hooks.progress(`sampling: ${done} of ${asked.length} completions`, tokensPerSecond),
    },
  )
  const texts = completions.map((completion) => answerText(tokenizer, completion))
  const inputs = asked.map(({ row }, index) => ({
    prompt: row.prompt,
    completion: texts[index]!,
    row: { ...row },
  }))
  const scores: (readonly (number | null)[])[] = []
  for (const reward of rewards) {
    const given = await reward.score(inputs, {
      signal: hooks.signal,
      draw: `${settings.seed}/${generation}`,
      progress: (note, done, total) => hooks.progress(`${note}: ${done} of ${total}`),
    })
    scores.push(given)
    hooks.signal.throwIfAborted()
  }
  const groupOf = (index: number) => Math.floor(index / settings.num_generations)
  const names = rewards.map(({ name }) => name)
  const scored = inputs.map((_, index) => scores.map((given) => given[index]!))
  const advantages = groupAdvantages(
    scored.map((row, index) => ({ group: groupOf(index), rewards: row })),
    {
      scale: settings.scale_rewards,
      aggregation: settings.multi_objective_aggregation,
      weights: names.map((name) => settings.reward_weights[name] ?? 1),
    },
  )
  const samples = await samplesOf(parts, asked, completions, advantages, groupOf, hooks)
  const rows = inputs.map(
    ({ prompt, completion }, index): RolloutRow => ({
      step,
      prompt,
      completion,
      finished: completions[index]!.finished,
      rewards: Object.fromEntries(names.map((name, each) => [name, scored[index]![each]!])),
      reward: advantages.rewards[index]!,
      advantage: advantages.values[index]!,
    }),
  )
  return {
    rollout: {
      generation,
      parts: schedule.parts(generation, samples),
      countedTokens: countedTokens(samples, task),
    },
    rows,
    columns: {
      ...rewardColumns(names, scored, advantages.rewards, advantages.fracRewardZeroStd),
      ...lengthColumns(completions.map(({ ids, finished }) => ({ length: ids.length, finished }))),
    },
    tokens: samples.reduce((sum, { sequence }) => sum + sequence.ids.length, 0),
  }
}

async function samplesOf(
  { schedule, old, reference }: CollectorParts,
  asked: readonly OnlinePrompt[],
  completions: readonly SampledCompletion[],
  advantages: Advantages,
  groupOf: (index: number) => number,
  hooks: CollectorHooks,
): Promise<Sample[]> {
  const sequences = asked.map(({ ids }, index) => sequenceOf(ids, completions[index]!.ids))
  const scoring = (note: string): ScoringHooks => ({
    signal: hooks.signal,
    progress: (done, total) => hooks.progress(`${note}: ${done} of ${total}`),
  })
  const oldLogps = schedule.isOnPolicy
    ? undefined
    : await old.score(sequences, scoring('old log-probabilities'))
  const referenceLogps = await reference?.score(sequences, scoring('reference log-probabilities'))
  return sequences.map((sequence, index) => ({
    sequence,
    advantage: advantages.values[index]!,
    reward: advantages.rewards[index] ?? 0,
    group: groupOf(index),
    finished: completions[index]!.finished,
    hasSignal: advantages.hasSignal[index]!,
    old: oldLogps?.[index],
    reference: referenceLogps?.[index],
  }))
}

function sequenceOf(prompt: readonly number[], completion: readonly number[]): Sequence {
  return {
    ids: [...prompt, ...completion],
    weights: [...prompt.map(() => 0), ...completion.map(() => 1)],
  }
}
