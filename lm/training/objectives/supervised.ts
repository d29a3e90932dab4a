/** @file Next-token cross-entropy over counted tokens: the mean over the whole accumulated batch. */
import { ofSlots } from '../../batches/open-sizes.ts'
import type { Sequence } from '../../batches/sequence.ts'
import type { BatchLayout } from '../../batches/token-batch.ts'
import type { HostBatch } from '../../tensor/host-tensor.ts'
import { stopGradient } from '../../tensor/stop-gradient.ts'
import { type TensorMap, tf } from '../../tensor/tf.ts'
import type { Objective } from '../objective.ts'
import type { LabelScores } from '../token-scores.ts'

/**
 * `batch.shares` [slots]: each token's weight divided by the accumulated batch's total weight; `batch.counts`
 * [slots]: 1 divided by its number of counted tokens. Both are 0 in padding.
 */
export const supervised: Objective = (scores, batch) => ({
  loss: tf.neg(tf.sum(tf.mul(scores.logps, batch.shares!))),
  metrics: tokenMeans(scores, batch),
})

/**
 * Dynamic fine-tuning (arXiv 2508.05629): each token's loss times its own probability, which carries no gradient.
 * Reads what `supervised` reads.
 */
export const dynamicFineTuning: Objective = (scores, batch) => {
  const probabilities = stopGradient(tf.exp(scores.logps))
  return {
    loss: tf.neg(tf.sum(tf.mul(tf.mul(scores.logps, probabilities), batch.shares!))),
    metrics: tokenMeans(scores, batch),
  }
}

/** Means over the counted tokens of the accumulated batch, whatever they weigh in the loss. */
function tokenMeans({ correct, entropy }: LabelScores, batch: TensorMap): TensorMap {
  return {
    mean_token_accuracy: tf.sum(tf.mul(correct, batch.counts!)),
    entropy: tf.sum(tf.mul(entropy, batch.counts!)),
  }
}

/** The arrays that `supervised` reads besides those of `tokenBatch`. */
export function supervisedShares(
  arrays: HostBatch,
  layout: BatchLayout,
  whole: readonly Sequence[],
): HostBatch {
  const { total, counted } = totalsOf(whole)
  const { data } = arrays.weights!
  return {
    shares: ofSlots(Float32Array.from(data, (weight) => weight / total)),
    counts: ofSlots(Float32Array.from(data, (_, slot) => (slot < layout.counted ? 1 / counted : 0))),
  }
}

interface Totals {
  /** Sum of the weights of all targets. */
  readonly total: number
  /** Targets with a weight. */
  readonly counted: number
}

/** A set of held-out rows is one whole to many micro-batches: it is summed up once. */
const known = new WeakMap<readonly Sequence[], Totals>()

function totalsOf(whole: readonly Sequence[]): Totals {
  const before = known.get(whole)
  if (before !== undefined) return before
  let total = 0
  let counted = 0
  for (const { ids, weights } of whole) {
    for (let position = 1; position < ids.length; position++) {
      total += weights[position]!
      if (weights[position]! !== 0) counted++
    }
  }
  const totals = { total, counted }
  known.set(whole, totals)
  return totals
}
