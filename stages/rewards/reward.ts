/** @file What scores sampled completions. A stage may have several; their weighted sum is learned from. */
import type { Prompt } from '../../lm/text/messages.ts'
import type { JsonObject } from '../../lm/text/read-rows.ts'

/** A completion with the row that its prompt came from. */
export interface RewardInput {
  readonly prompt: Prompt
  /** Without its end token. */
  readonly completion: string
  readonly row: JsonObject
}

export interface RewardHooks {
  readonly signal: AbortSignal
  /** Names the random sequences of a judge: the same for the same batch of the same run. */
  readonly draw: string
  progress(note: string, done: number, total: number): void
}

export interface Reward {
  /** Its columns in the log are `rewards/NAME/mean` and `rewards/NAME/std`. */
  readonly name: string
  /** One score a completion; null where it gives none. */
  score(inputs: readonly RewardInput[], hooks: RewardHooks): Promise<readonly (number | null)[]>
  dispose?(): void
}
