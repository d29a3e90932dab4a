/**
 * @file Losses of direct preference optimisation, each a pure function of summed log-probabilities, mean over pairs
 * left to the caller. With c and r the policy's minus the reference's summed log-probability of the chosen and the
 * rejected completion, D = c - r and beta the strength of the reference.
 *
 * sigmoid: arXiv 2305.18290; with label smoothing: cDPO. robust: 2403.00409. hinge: 2305.10425 (SLiC).
 * ipo: 2310.12036. exo_pair: 2402.00856. nca_pair: 2402.05369. apo_zero, apo_down: 2408.06266. rpo: 2404.19733.
 */
import { type Tensor, tf } from '../../tensor/tf.ts'
import type { Objective } from '../objective.ts'

export const preferenceLosses = [
  'sigmoid',
  'robust',
  'hinge',
  'ipo',
  'sigmoid_norm',
  'exo_pair',
  'nca_pair',
  'apo_zero',
  'apo_down',
  'rpo',
] as const
export type PreferenceLoss = (typeof preferenceLosses)[number]

/** All [pairs]. */
export interface PairLogps {
  /** Policy minus reference, summed over the completion. */
  readonly chosen: Tensor
  readonly rejected: Tensor
  /** Tokens of each completion. */
  readonly chosenLength: Tensor
  readonly rejectedLength: Tensor
}

export interface PreferenceSettings {
  readonly loss: PreferenceLoss
  readonly beta: number
  /** Share of pairs taken to be labelled the wrong way round. */
  readonly labelSmoothing: number
}

/** Loss of each pair, [pairs]. `rpo` is `sigmoid` here: its likelihood term is a mean over tokens, not over pairs. */
export function pairLosses(logps: PairLogps, { loss, beta, labelSmoothing }: PreferenceSettings): Tensor {
  const { chosen, rejected, chosenLength, rejectedLength } = logps
  const margin = tf.sub(chosen, rejected)
  const scaled = tf.mul(margin, beta)
  const logSigmoid = (x: Tensor) => tf.neg(tf.softplus(tf.neg(x)))
  const e = labelSmoothing
  switch (loss) {
    case 'sigmoid':
    case 'rpo':
      return smoothed(scaled, e)
    case 'robust':
      // Flipping a label's probability e unbiases the loss: (1-e) f(x) - e f(-x), over 1 - 2e.
      return tf.div(
        tf.sub(tf.mul(logSigmoid(tf.neg(scaled)), e), tf.mul(logSigmoid(scaled), 1 - e)),
        1 - 2 * e,
      )
    case 'hinge':
      return tf.relu(tf.sub(1, scaled))
    case 'ipo': {
      const normalised = tf.sub(tf.div(chosen, chosenLength), tf.div(rejected, rejectedLength))
      return tf.square(tf.sub(normalised, 1 / (2 * beta)))
    }
    case 'sigmoid_norm': {
      const normalised = tf.sub(tf.div(chosen, chosenLength), tf.div(rejected, rejectedLength))
      return tf.neg(logSigmoid(tf.mul(normalised, beta)))
    }
    case 'exo_pair': {
      const forward = tf.mul(tf.sigmoid(scaled), tf.sub(logSigmoid(scaled), Math.log(1 - e)))
      const backward = tf.mul(tf.sigmoid(tf.neg(scaled)), tf.sub(logSigmoid(tf.neg(scaled)), Math.log(e)))
      return tf.add(forward, backward)
    }
    case 'nca_pair': {
      const [c, r] = [tf.mul(chosen, beta), tf.mul(rejected, beta)]
      const pull = tf.neg(logSigmoid(c))
      const push = tf.mul(tf.add(logSigmoid(tf.neg(c)), logSigmoid(tf.neg(r))), -0.5)
      return tf.add(pull, push)
    }
    case 'apo_zero':
      return tf.add(tf.sub(1, tf.sigmoid(tf.mul(chosen, beta))), tf.sigmoid(tf.mul(rejected, beta)))
    case 'apo_down':
      return tf.add(tf.sigmoid(tf.mul(chosen, beta)), tf.sub(1, tf.sigmoid(scaled)))
  }

  function smoothed(x: Tensor, share: number): Tensor {
    const right = tf.neg(logSigmoid(x))
    if (share === 0) return right
    return tf.sub(tf.mul(right, 1 - share), tf.mul(logSigmoid(tf.neg(x)), share))
  }
}

/**
 * Pairs in a batch: the chosen completions, then the rejected ones. Reads, besides `tokenBatch`'s arrays:
 * `membership` [2 * pairs, slots], `lengths` and `reference` [2 * pairs], `share` (scalar: 1 / pairs of the
 * accumulated batch), `likelihood` [slots] (1 / chosen tokens of the accumulated batch at chosen tokens, else 0).
 */
export function preference(settings: PreferenceSettings & { readonly rpoAlpha: number }): Objective {
  return ({ logps, correct }, batch) => {
    const pairs = batch.reference!.shape[0]! / 2
    const halves = (x: Tensor) => tf.split(x, [pairs, pairs], 0) as [Tensor, Tensor]
    const sums = tf.reshape(tf.matMul(batch.membership!, tf.expandDims(logps, 1)), [2 * pairs])
    const [chosen, rejected] = halves(tf.sub(sums, batch.reference!))
    const [chosenLength, rejectedLength] = halves(batch.lengths!)
    const mean = (x: Tensor) => tf.mul(tf.sum(x), batch.share!)
    let loss = mean(pairLosses({ chosen, rejected, chosenLength, rejectedLength }, settings))
    if (settings.loss === 'rpo') {
      const likelihood = tf.neg(tf.sum(tf.mul(logps, batch.likelihood!)))
      loss = tf.add(loss, tf.mul(likelihood, settings.rpoAlpha))
    }
    const [chosenLogps, rejectedLogps] = halves(sums)
    const rewardChosen = tf.mul(chosen, settings.beta)
    const rewardRejected = tf.mul(rejected, settings.beta)
    return {
      loss,
      metrics: {
        'rewards/chosen': mean(rewardChosen),
        'rewards/rejected': mean(rewardRejected),
        'rewards/margins': mean(tf.sub(rewardChosen, rewardRejected)),
        'rewards/accuracies': mean(tf.cast(tf.greater(rewardChosen, rewardRejected), 'float32')),
        'logps/chosen': mean(chosenLogps),
        'logps/rejected': mean(rejectedLogps),
        mean_token_accuracy: tf.sum(tf.mul(correct, batch.likelihood!)),
      },
    }
  }
}
