/** @file Scored completions as training rows: what GRPO and GSPO alike learn from. */
import { type StageContext, StageFailure } from 'flow/stage'
import type { Model } from '../../lm/model/model.ts'
import { encodeCompletion, encodePrompt } from '../../lm/text/conversation.ts'
import { type Prompt, promptMessages } from '../../lm/text/messages.ts'
import { groupAdvantages, type RewardScale } from '../../lm/training/advantages.ts'
import type { Sequence } from '../../lm/training/batch.ts'
import { completionSequence } from '../training/policy.ts'

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
  readonly finished: boolean
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
  const { values, hasSignal, fracRewardZeroStd } = groupAdvantages(completions, settings.scale_rewards)
  if (fracRewardZeroStd === 1) {
    throw new StageFailure({
      code: 'no-signal',
      message: 'the rewards within each group are all equal: there is nothing to learn from them',
      hint: 'more candidates a prompt, or a judge that tells them apart',
    })
  }
  if (fracRewardZeroStd > 0) {
    const share = (100 * fracRewardZeroStd).toFixed(1)
    log.log(
      `frac_reward_zero_std ${fracRewardZeroStd.toFixed(4)}: ${share}% of the groups have equal rewards, no signal`,
    )
  }
  const rows = completions.map((row, index) => ({ ...row, advantage: values[index]! }))
  return readSamples(
    settings.drop_zero_std ? rows.filter((_, index) => hasSignal[index]) : rows,
    model,
    settings,
    log,
  )
}

/** For objectives that take rewards as they are; `advantage` is 0 where none is given. */
export function readSamples(
  completions: readonly (ScoredCompletion & { readonly advantage?: number })[],
  { tokenizer }: Model,
  settings: Pick<SampleSettings, 'max_length'>,
  { warn }: Log,
): Sample[] {
  let truncated = 0
  const samples = completions.flatMap((row): Sample[] => {
    const messages = promptMessages(row.prompt)
    const { prompt, completion } =
      row.token_ids !== undefined
        ? { prompt: encodePrompt(tokenizer, messages), completion: row.token_ids }
        : encodeCompletion(tokenizer, messages, row.response, { trailing: 'end-of-turn' })
    const sequence = completionSequence(prompt, completion, settings.max_length)
    if (sequence === undefined) {
      truncated++
      return []
    }
    const isWhole = sequence.ids.length === prompt.length + completion.length
    return [
      {
        sequence,
        advantage: row.advantage ?? 0,
        reward: row.reward ?? 0,
        finished: isWhole && (row.finished ?? true),
        old: row.logps,
        reference: undefined,
      },
    ]
  })
  if (truncated > 0)
    warn(`${truncated} rows dropped: max_length ${settings.max_length} leaves nothing of the answer`)
  return samples
}
