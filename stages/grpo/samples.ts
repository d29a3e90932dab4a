/** @file Scored completions as training rows: what GRPO and GSPO alike learn from. */
import { type StageContext, StageFailure } from 'flow/stage'
import type { Sequence } from '../../lm/batches/sequence.ts'
import type { Model } from '../../lm/model/model.ts'
import { encodeCompletion, encodePrompt, isPromptKept } from '../../lm/text/conversation.ts'
import { requireKnownTokens } from '../../lm/text/known-tokens.ts'
import { type Prompt, promptMessages } from '../../lm/text/messages.ts'
import type { Tokenizer } from '../../lm/text/tokenizer.ts'
import { groupAdvantages, type RewardScale } from '../../lm/training/advantages.ts'
import { completionSequence, requireRows } from '../training/policy.ts'

/** One completion as the data file has it. */
export interface ScoredCompletion {
  readonly prompt: Prompt
  readonly response: string
  readonly reward: number | null
  readonly group: number
  readonly token_ids?: readonly number[] | undefined
  readonly logps?: readonly number[] | undefined
  readonly finished?: boolean | undefined
}

export interface Sample {
  readonly sequence: Sequence
  readonly advantage: number
  readonly reward: number
  readonly group: number
  readonly finished: boolean
  /** Whether the rewards of its group differ. */
  readonly hasSignal: boolean
  /** By counted token; absent where the file has none: the ratio is then 1. */
  readonly old: ArrayLike<number> | undefined
  /** Under the policy as it entered; only where a KL penalty needs it. */
  readonly reference: ArrayLike<number> | undefined
}

export interface SampleSettings {
  readonly max_length: number
  readonly scale_rewards: RewardScale
  readonly drop_zero_std: boolean
}

type Log = Pick<StageContext<object, object, object>, 'log' | 'warn'>

/**
 * For objectives that compare completions within their group.
 * @throws StageFailure `no-signal` where the rewards of every group are all equal
 */
export function readComparedSamples(
  completions: readonly ScoredCompletion[],
  model: Model,
  settings: SampleSettings,
  log: Log,
): Sample[] {
  const { values, hasSignal, fracRewardZeroStd } = groupAdvantages(
    completions.map(({ group, reward }) => ({ group, rewards: [reward] })),
    { scale: settings.scale_rewards },
  )
  if (fracRewardZeroStd === 1) {
    const alone = new Set(completions.map(({ group }) => group)).size === completions.length
    throw new StageFailure({
      code: 'no-signal',
      message: alone
        ? 'each group has one completion: there is nothing to compare it with'
        : 'the rewards within each group are all equal: there is nothing to learn from them',
      hint: 'more candidates a prompt, or a judge that tells them apart',
    })
  }
  if (fracRewardZeroStd > 0) {
    const share = (100 * fracRewardZeroStd).toFixed(1)
    log.log(
      `frac_reward_zero_std ${fracRewardZeroStd.toFixed(4)}: ${share}% of the groups have equal rewards, no signal`,
    )
  }
  const rows = completions.map((row, index) => ({
    ...row,
    advantage: values[index]!,
    hasSignal: hasSignal[index]!,
  }))
  return readSamples(
    settings.drop_zero_std ? rows.filter((row) => row.hasSignal) : rows,
    model,
    settings,
    log,
  )
}

/**
 * For objectives that take rewards as they are; without an `advantage` it is 0.
 * @throws StageFailure `no-rows` where truncation leaves none
 */
export function readSamples(
  completions: readonly (ScoredCompletion & Partial<Pick<Sample, 'advantage' | 'hasSignal'>>)[],
  { config, tokenizer }: Model,
  settings: Pick<SampleSettings, 'max_length'>,
  { warn }: Log,
): Sample[] {
  let merged = 0
  const samples = completions.flatMap((row): Sample[] => {
    const { prompt, completion, isPromptKept } = encodeCompletionOf(row, tokenizer)
    if (!isPromptKept) merged++
    const sequence = completionSequence(prompt, completion, settings.max_length)
    if (sequence === undefined) return []
    const isWhole = sequence.ids.length === prompt.length + completion.length
    return [
      {
        sequence,
        advantage: row.advantage ?? 0,
        reward: row.reward ?? 0,
        group: row.group,
        finished: isWhole && (row.finished ?? true),
        hasSignal: row.hasSignal ?? true,
        old: row.logps,
        reference: undefined,
      },
    ]
  })
  const dropped = completions.length - samples.length
  if (dropped > 0)
    warn(`${dropped} rows dropped: max_length ${settings.max_length} leaves nothing of the answer`)
  if (merged > 0) warn(`${merged} answers merge with the prompt's last tokens: those are trained too`)
  requireRows(samples, settings.max_length)
  requireKnownTokens(
    samples.map(({ sequence }) => sequence.ids),
    config,
  )
  return samples
}

/** Stored tokens go before text: they are what the policy wrote. */
function encodeCompletionOf(row: ScoredCompletion, tokenizer: Tokenizer) {
  const messages = promptMessages(row.prompt)
  if (row.token_ids !== undefined) {
    return { prompt: encodePrompt(tokenizer, messages), completion: row.token_ids, isPromptKept: true }
  }
  const encoded = encodeCompletion(tokenizer, messages, row.response, { trailing: 'end-of-turn' })
  const { prompt, completion } = encoded
  return {
    prompt,
    // An answer that was cut has no end to learn.
    completion: row.finished === false ? completion.slice(0, -1) : completion,
    isPromptKept: isPromptKept(tokenizer, messages, encoded),
  }
}
