/** @file Next-token cross-entropy over counted tokens: the mean over the whole accumulated batch. */
import { tf } from '../../tensor/tf.ts'
import type { BatchLayout, HostBatch, Sequence } from '../batch.ts'
import type { Objective } from '../objective.ts'

/**
 * `batch.shares` [slots]: each token's weight divided by the accumulated batch's total weight; `batch.counts`
 * [slots]: 1 divided by its number of counted tokens. Both are 0 in padding.
 */
export const supervised: Objective = ({ logps, correct }, batch) => ({
  loss: tf.neg(tf.sum(tf.mul(logps, batch.shares!))),
  metrics: { accuracy: tf.sum(tf.mul(correct, batch.counts!)) },
})

/** The arrays that `supervised` reads besides those of `tokenBatch`. */
export function supervisedShares(
  arrays: HostBatch,
  layout: BatchLayout,
  whole: readonly Sequence[],
): HostBatch {
  let total = 0
  let counted = 0
  for (const { ids, weights } of whole) {
    for (let position = 1; position < ids.length; position++) {
      total += weights[position]!
      if (weights[position]! !== 0) counted++
    }
  }
  const { data, shape } = arrays.weights!
  return {
    shares: { shape, data: Float32Array.from(data, (weight) => weight / total) },
    counts: { shape, data: Float32Array.from(data, (_, slot) => (slot < layout.counted ? 1 / counted : 0)) },
  }
}
