/** @file Micro-batches of scored completions for the policy gradient. */
import type { LayoutSettings } from '../../lm/batches/layout.ts'
import { ofSlots } from '../../lm/batches/open-sizes.ts'
import { type Sequence, targetCount } from '../../lm/batches/sequence.ts'
import { type BatchLayout, membership, perSequence, tokenBatch } from '../../lm/batches/token-batch.ts'
import type { HostTensor } from '../../lm/tensor/host-tensor.ts'
import type { MicroBatch } from '../../lm/training/objective.ts'
import { type PolicyGradientSettings, policyGradient } from '../../lm/training/objectives/policy-gradient.ts'
import type { TokenLoss } from '../../lm/training/objectives/policy-losses.ts'
import type { TrainingTask } from '../../lm/training/trainer.ts'
import { lengthColumns, summary } from './measure.ts'
import type { Sample } from './samples.ts'

/** What becomes of each token, and how the tokens are averaged; TRL's names. */
export type LossType = 'grpo' | 'bnpo' | 'dr_grpo' | 'dapo' | 'luspo' | 'cispo' | 'sapo' | 'vespo'

export function tokenLossOf(type: LossType): TokenLoss {
  return type === 'cispo' || type === 'sapo' || type === 'vespo' ? type : 'clipped'
}

export interface PolicyTaskSettings extends PolicyGradientSettings {
  readonly lossType: LossType
  /** Tokens of the longest completion there could be; the denominator of `dr_grpo`. */
  readonly maxCompletionLength: number
  /** Completions that did not end by themselves do not count. */
  readonly maskTruncated: boolean
}

/** One value a slot, from a function of the sample and the token's place in its completion. */
export function perSlot(layout: BatchLayout, value: (sequence: number, token: number) => number): HostTensor {
  const data = new Float32Array(layout.slots)
  layout.spans.forEach(({ start, count }, sequence) => {
    for (let token = 0; token < count; token++) data[start + token] = value(sequence, token)
  })
  return ofSlots(data)
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
  return samples.reduce(
    (sum, sample) => sum + (counts(sample, settings) ? targetCount(sample.sequence) : 0),
    0,
  )
}

/** The sample's tokens; none of them counts where the sample does not. */
function countedSequence(sample: Sample, settings: PolicyTaskSettings): Sequence {
  const { sequence } = sample
  return counts(sample, settings) ? sequence : { ids: sequence.ids, weights: sequence.ids.map(() => 0) }
}

/** What a token's loss counts for in the loss of the accumulated batch. */
function tokenWeight(
  { sequence }: Sample,
  part: { readonly sequences: number; readonly tokens: number },
  whole: Whole,
  settings: PolicyTaskSettings,
): number {
  switch (settings.lossType) {
    case 'grpo':
    case 'sapo':
      return 1 / (whole.sequences * targetCount(sequence))
    case 'bnpo':
      return part.sequences / whole.sequences / part.tokens
    case 'dr_grpo':
      return 1 / (whole.sequences * settings.maxCompletionLength)
    case 'dapo':
    case 'cispo':
    case 'vespo':
      return 1 / Math.max(1, whole.tokens)
    case 'luspo':
      return 1 / whole.sequences
  }
}

/** The arrays that `policyGradient` reads. A completion that does not count has no token among the slots. */
export function policyBatch(
  part: readonly Sample[],
  whole: Whole,
  settings: PolicyTaskSettings,
  layoutSettings: LayoutSettings,
): MicroBatch {
  const sequences = part.map((sample) => countedSequence(sample, settings))
  const { arrays, layout } = tokenBatch(sequences, layoutSettings)
  const own = { sequences: part.length, tokens: layout.counted }
  const members = membership(layout)
  const averaging = members.data.map((member, index) => {
    const { count } = layout.spans[Math.floor(index / layout.slots)]!
    return member / Math.max(1, count)
  })
  const scalar = (value: number): HostTensor => ({ shape: [], data: Float32Array.of(value) })
  const microShare = part.length / whole.sequences
  return {
    arrays: {
      ...arrays,
      membership: members,
      averaging: ofSlots(averaging, layout.spans.length),
      occupied: perSequence(layout.spans.map(({ count }) => Math.sign(count))),
      advantages: perSlot(layout, (row) => part[row]!.advantage),
      old: perSlot(layout, (row, token) => part[row]!.old?.[token] ?? 0),
      hasOld: perSlot(layout, (row) => (part[row]!.old === undefined ? 0 : 1)),
      reference: perSlot(layout, (row, token) => part[row]!.reference?.[token] ?? 0),
      aggregation: perSlot(layout, (row) => tokenWeight(part[row]!, own, whole, settings)),
      tokenShare: perSlot(layout, () => microShare / layout.counted),
      sequenceShare: scalar(1 / whole.sequences),
      microShare: scalar(microShare),
      entropyRank: scalar(entropyRank(layout.counted, settings.topEntropyQuantile)),
    },
    layout,
    tokens: part.reduce((sum, { sequence }) => sum + sequence.ids.length, 0),
  }
}

/**
 * Place, from 1, in ascending order of the lowest entropy that reaches the quantile 1 - `share`, interpolated between
 * the two nearest tokens as `torch.quantile` does.
 */
function entropyRank(tokens: number, share: number): number {
  const position = (1 - share) * Math.max(0, tokens - 1)
  return Math.ceil(position - 1e-6) + 1
}

export function policyTask(rows: readonly Sample[], settings: PolicyTaskSettings): TrainingTask<Sample> {
  return {
    rows,
    objective: policyGradient(settings),
    sequencesOf: (sample) => [countedSequence(sample, settings)],
    // Some losses and metrics depend on all tokens of a micro-batch.
    separable: false,
    collate: (part, whole, layout) =>
      policyBatch(
        part,
        { sequences: whole.length, tokens: countedTokens(whole, settings) },
        settings,
        layout,
      ),
    columns: (metrics, whole) => ({ ...metrics, ...sampleColumns(whole) }),
  }
}

/** What the rows of an update are, whatever the policy makes of them. */
function sampleColumns(samples: readonly Sample[]): Record<string, number> {
  const groups = new Map(samples.map(({ group, hasSignal }) => [group, hasSignal]))
  const silent = [...groups.values()].filter((hasSignal) => !hasSignal).length
  return {
    ...summary(
      'reward',
      'reward_std',
      samples.map(({ reward }) => reward),
    ),
    frac_reward_zero_std: silent / groups.size,
    ...lengthColumns(samples.map(({ sequence, finished }) => ({ length: targetCount(sequence), finished }))),
  }
}
