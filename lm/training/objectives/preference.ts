/**
 * @file Direct preference optimisation: a weighted sum of pair losses and of the chosen completions' likelihood
 * (`sft`; with `sigmoid` it is RPO, 2404.19733), with the metrics that TRL logs.
 */
import { stopGradient } from '../../tensor/stop-gradient.ts'
import { type Tensor, tf } from '../../tensor/tf.ts'
import type { Objective } from '../objective.ts'
import type { LabelScores } from '../token-scores.ts'
import {
  logRatios,
  type PairLoss,
  type PairLossSettings,
  pairLosses,
  type Sides,
} from './preference-losses.ts'

export interface WeightedLoss {
  readonly loss: PairLoss | 'sft'
  readonly weight: number
}

export interface PreferenceSettings extends PairLossSettings {
  readonly losses: readonly WeightedLoss[]
  /** Each pair counts by how probable the policy finds its completions, as in WPO (arXiv 2406.11827). */
  readonly weighted: boolean
}

/** What is logged besides the loss; rewards are beta times the policy's minus the reference's log-probability. */
export const preferenceMetrics = [
  'rewards/chosen',
  'rewards/rejected',
  'rewards/accuracies',
  'rewards/margins',
  'logps/chosen',
  'logps/rejected',
  'logits/chosen',
  'logits/rejected',
  'mean_token_accuracy',
  'entropy',
] as const

/**
 * Pairs in a batch: the chosen completions, then the rejected ones. Reads, besides `tokenBatch`'s arrays:
 * `summing` [2 * pairs, slots] (what each token counts for in its completion's log-probability: 1, or less beyond
 * the shorter completion's length), `membership` [2 * pairs, slots], `lengths` and `reference` [2 * pairs], `share`
 * (scalar: 1 / pairs of the accumulated batch), `chosenShare` and `rejectedShare` [slots] (1 / such tokens of the
 * accumulated batch at chosen and at rejected tokens, else 0), `tokenShare` [slots] (1 / both).
 */
export function preference(settings: PreferenceSettings): Objective {
  return (scores, batch) => {
    const pairs = batch.reference!.shape[0]! / 2
    const sides = (x: Tensor): Sides => {
      const [chosen, rejected] = tf.split(x, [pairs, pairs], 0) as [Tensor, Tensor]
      return { chosen, rejected }
    }
    const sequenceSums = (tokens: Tensor, of: Tensor) =>
      tf.reshape(tf.matMul(of, tf.expandDims(tokens, 1)), [2 * pairs])
    const mean = (x: Tensor) => tf.mul(tf.sum(x), batch.share!)
    const overTokens = (x: Tensor, shares: Tensor) => tf.sum(tf.mul(x, shares))

    const policy = sides(sequenceSums(scores.logps, batch.summing!))
    const logps = { policy, reference: sides(batch.reference!), lengths: sides(batch.lengths!) }
    const weights = settings.weighted ? pairWeights() : undefined
    const terms = settings.losses.map(({ loss, weight }) => {
      if (loss === 'sft') return tf.mul(tf.neg(overTokens(scores.logps, batch.chosenShare!)), weight)
      const losses = pairLosses(loss, logps, settings)
      return tf.mul(mean(weights === undefined ? losses : tf.mul(losses, weights)), weight)
    })

    const ratios = logRatios(logps)
    const rewards = {
      chosen: tf.mul(ratios.chosen, settings.beta),
      rejected: tf.mul(ratios.rejected, settings.beta),
    }
    const meanScore = scores.meanScore()
    return {
      loss: terms.reduce((sum, term) => tf.add(sum, term)),
      metrics: {
        'rewards/chosen': mean(rewards.chosen),
        'rewards/rejected': mean(rewards.rejected),
        'rewards/accuracies': mean(tf.cast(tf.greater(rewards.chosen, rewards.rejected), 'float32')),
        'rewards/margins': mean(tf.sub(rewards.chosen, rewards.rejected)),
        'logps/chosen': mean(policy.chosen),
        'logps/rejected': mean(policy.rejected),
        'logits/chosen': overTokens(meanScore, batch.chosenShare!),
        'logits/rejected': overTokens(meanScore, batch.rejectedShare!),
        mean_token_accuracy: overTokens(scores.correct, batch.chosenShare!),
        entropy: overTokens(scores.entropy, batch.tokenShare!),
      } satisfies Record<(typeof preferenceMetrics)[number], Tensor>,
    }

    /** exp of the mean of log p - log sum p^2 over both completions' tokens, [pairs]. */
    function pairWeights(): Tensor {
      const aligned = stopGradient(alignedLogps(scores))
      const means = sides(tf.div(sequenceSums(aligned, batch.membership!), batch.lengths!))
      return tf.exp(tf.add(means.chosen, means.rejected))
    }
  }
}

/** How much more probable each token is than the policy's own choice would be on average, [slots]. */
function alignedLogps({ logps, logSumSquares }: LabelScores): Tensor {
  return tf.sub(logps, logSumSquares())
}
