/** @file Micro-batches of scored completions for the clipped policy gradient. */
import { type BatchLayout, type HostTensor, membership, tokenBatch } from '../../lm/training/batch.ts'
import type { MicroBatch } from '../../lm/training/objective.ts'
import {
  type PolicyGradientSettings,
  policyGradient,
  reinforce,
} from '../../lm/training/objectives/policy-gradient.ts'
import type { TrainingTask } from '../../lm/training/trainer.ts'
import type { Sample } from './samples.ts'

export type Aggregation = 'grpo' | 'bnpo' | 'dr_grpo' | 'dapo'

export interface PolicyTaskSettings extends PolicyGradientSettings {
  readonly aggregation: Aggregation
  /** Tokens of the longest completion there could be; the denominator of `dr_grpo`. */
  readonly maxCompletionLength: number
  /** Completions that did not end by themselves do not count. */
  readonly maskTruncated: boolean
}

function tokens({ sequence }: Sample): number {
  let count = 0
  for (let position = 1; position < sequence.ids.length; position++) if (sequence.weights[position]) count++
  return count
}

/** One value a slot, from a function of the sample and the token's place in its completion. */
function perSlot(layout: BatchLayout, value: (sequence: number, token: number) => number): HostTensor {
  const data = new Float32Array(layout.slots)
  layout.spans.forEach(({ start, count }, sequence) => {
    for (let token = 0; token < count; token++) data[start + token] = value(sequence, token)
  })
  return { shape: [layout.slots], data }
}

/** The accumulated batch that a micro-batch is a part of, as far as its loss depends on it. */
export interface Whole {
  readonly sequences: number
  /** Tokens that count. */
  readonly tokens: number
}

function counts({ finished }: Sample, { maskTruncated }: PolicyTaskSettings): boolean {
  return finished || !maskTruncated
}

export function countedTokens(samples: readonly Sample[], settings: PolicyTaskSettings): number {
  return samples.reduce((sum, sample) => sum + (counts(sample, settings) ? tokens(sample) : 0), 0)
}

/** What each token's loss counts for in the loss of the accumulated batch, by sequence of `part`. */
function tokenWeights(part: readonly Sample[], whole: Whole, settings: PolicyTaskSettings) {
  const ofWhole = Math.max(1, whole.tokens)
  const ofPart = Math.max(1, countedTokens(part, settings))
  const weight = (sample: Sample): number => {
    switch (settings.aggregation) {
      case 'grpo':
        return 1 / (whole.sequences * Math.max(1, tokens(sample)))
      case 'bnpo':
        return part.length / whole.sequences / ofPart
      case 'dr_grpo':
        return 1 / (whole.sequences * settings.maxCompletionLength)
      case 'dapo':
        return 1 / ofWhole
    }
  }
  return part.map((sample) =>
    counts(sample, settings)
      ? { aggregation: weight(sample), share: part.length / whole.sequences / ofPart }
      : { aggregation: 0, share: 0 },
  )
}

/** The arrays that `policyGradient` reads. */
export function policyBatch(part: readonly Sample[], whole: Whole, settings: PolicyTaskSettings): MicroBatch {
  const { arrays, layout, length } = tokenBatch(part.map(({ sequence }) => sequence))
  const weights = tokenWeights(part, whole, settings)
  const members = membership(layout)
  const averaging = members.data.map((member, index) => {
    const { count } = layout.spans[Math.floor(index / layout.slots)]!
    return member / Math.max(1, count)
  })
  return {
    arrays: {
      ...arrays,
      membership: members,
      averaging: { shape: members.shape, data: averaging },
      advantages: perSlot(layout, (row) => part[row]!.advantage),
      old: perSlot(layout, (row, token) => part[row]!.old?.[token] ?? 0),
      hasOld: perSlot(layout, (row) => (part[row]!.old === undefined ? 0 : 1)),
      reference: perSlot(layout, (row, token) => part[row]!.reference?.[token] ?? 0),
      aggregation: perSlot(layout, (row) => weights[row]!.aggregation),
      tokenShare: perSlot(layout, (row) => weights[row]!.share),
    },
    sequences: part.length,
    length,
    tokens: part.reduce((sum, { sequence }) => sum + sequence.ids.length, 0),
  }
}

export function policyTask(rows: readonly Sample[], settings: PolicyTaskSettings): TrainingTask<Sample> {
  return {
    rows,
    objective: policyGradient(settings),
    lengthOf: ({ sequence }) => sequence.ids.length,
    collate: (part, whole) =>
      policyBatch(part, { sequences: whole.length, tokens: countedTokens(whole, settings) }, settings),
    columns: (metrics) => metrics,
  }
}

/** Rewards further from 0 than this are clipped before the baseline is taken. */
const rewardBound = 5

/** -mean[(r - mean reward of the accumulated batch) * log p(completion)], rewards clipped to +-5. */
export function reinforceTask(rows: readonly Sample[]): TrainingTask<Sample> {
  const clipped = ({ reward }: Sample) => Math.max(-rewardBound, Math.min(rewardBound, reward))
  return {
    rows,
    objective: reinforce,
    lengthOf: ({ sequence }) => sequence.ids.length,
    collate: (part, whole) => {
      const { arrays, layout, length } = tokenBatch(part.map(({ sequence }) => sequence))
      const baseline = whole.reduce((sum, sample) => sum + clipped(sample), 0) / whole.length
      return {
        arrays: {
          ...arrays,
          factors: perSlot(layout, (row) => (clipped(part[row]!) - baseline) / whole.length),
        },
        sequences: part.length,
        length,
        tokens: part.reduce((sum, { sequence }) => sum + sequence.ids.length, 0),
      }
    },
    columns: (metrics) => metrics,
  }
}
