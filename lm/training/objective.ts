/** @file What an objective is: from the scores of a micro-batch's labels to a loss and the numbers logged with it. */
import type { TokenBatch } from '../batches/token-batch.ts'
import type { Tensor, TensorMap } from '../tensor/tf.ts'
import type { LabelScores } from './token-scores.ts'

/**
 * Loss of a micro-batch as its share of the update's loss: shares add up to the loss of the accumulated batch.
 * Metrics are scalars that add up likewise.
 */
export type Objective = (
  scores: LabelScores,
  batch: TensorMap,
) => { readonly loss: Tensor; readonly metrics: TensorMap }

export interface MicroBatch extends TokenBatch {
  /** Real tokens in it, for the token rate. */
  readonly tokens: number
}
