/** @file A generation batch: sampled, scored and compared, ready to learn from. */
import type { Prompt } from '../../../lm/text/messages.ts'
import type { Sample } from '../samples.ts'

/** A completion as the `rollouts` artifact has it. */
export interface RolloutRow {
  /** The update for which it was sampled. */
  readonly step: number
  readonly prompt: Prompt
  readonly completion: string
  /** Ended by itself. */
  readonly finished: boolean
  /** By the reward's name; null where it gave none. */
  readonly rewards: Readonly<Record<string, number | null>>
  /** Their weighted sum. */
  readonly reward: number | null
  readonly advantage: number
}

export interface Rollout {
  /** Number of the generation batch, from 0. */
  readonly generation: number
  /** In the order of training, by micro-batch. */
  readonly parts: readonly (readonly Sample[])[]
  /** Tokens that count, over all parts. */
  readonly countedTokens: number
}

/** What sampling it showed. */
export interface Collected {
  readonly rollout: Rollout
  readonly rows: readonly RolloutRow[]
  /** Columns for the log of the update that it was sampled for. */
  readonly columns: Readonly<Record<string, number>>
  /** Prompts and completions. */
  readonly tokens: number
}
