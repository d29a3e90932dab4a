/** @file Likelihood of scored completions, weighted by what their rewards are worth; nothing is clipped. */
import { tf } from '../../tensor/tf.ts'
import type { Objective } from '../objective.ts'

/**
 * -mean[(r - baseline) * log p(completion)]. `factors` [slots] holds (r - baseline) / completions of the
 * accumulated batch.
 */
export const reinforce: Objective = ({ logps }, batch) => ({
  loss: tf.neg(tf.sum(tf.mul(logps, batch.factors!))),
  metrics: {},
})

/**
 * -sum_k w_k log p(y_k) + kl mean_k(log p(y_k) - log p_ref(y_k)), mean over prompts. `factors` [slots] holds
 * (w_k - kl / K) / prompts of the accumulated batch, `klFactors` [slots] kl / K / prompts, `reference` [slots].
 */
export const rewardWeighted: Objective = ({ logps }, batch) => ({
  loss: tf.neg(
    tf.add(tf.sum(tf.mul(logps, batch.factors!)), tf.sum(tf.mul(batch.reference!, batch.klFactors!))),
  ),
  metrics: {},
})
