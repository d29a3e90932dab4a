/** @file Policy gradients on scored completions, with the metrics that TRL logs. */
import { detached, stopGradient } from '../../tensor/stop-gradient.ts'
import { type Tensor, type TensorMap, tf } from '../../tensor/tf.ts'
import type { Objective } from '../objective.ts'
import { type TokenLosses, type TokenLossSettings, tokenLosses } from './policy-losses.ts'

export interface PolicyGradientSettings extends TokenLossSettings {
  /** Only this share of a micro-batch's tokens, those of the highest entropy, moves the policy (arXiv 2506.01939). */
  readonly topEntropyQuantile: number
}

/**
 * Reads, besides `tokenBatch`'s arrays: `aggregation` [slots] (what each token's loss counts for; 0 in padding),
 * `tokenShare` [slots] (its share in the means over tokens; 0 in padding), `old`, `hasOld` (1 where an old
 * log-probability is known; elsewhere the ratio is 1 and only its gradient counts), `reference`, `advantages`
 * [slots], `membership` and `averaging` [sequences, slots], `occupied` [sequences] (1 where a sequence has tokens that
 * count), the scalars `sequenceShare` (1 / sequences of the accumulated batch) and `microShare` (the micro-batch's
 * share of them), and with `topEntropyQuantile` the scalar `entropyRank`.
 */
export function policyGradient(settings: PolicyGradientSettings): Objective {
  return ({ logps: scored, entropy }, batch) => {
    // Padding slots carry arbitrary log-probabilities, whose exponentials times 0 must not become NaN.
    const logps = tf.where(tf.greater(batch.tokenShare!, 0), scored, tf.zerosLike(scored))
    const own = tf.mul(stopGradient(logps), tf.sub(1, batch.hasOld!))
    const losses = tokenLosses(
      {
        logps,
        old: tf.add(tf.mul(batch.old!, batch.hasOld!), own),
        reference: batch.reference!,
        advantages: batch.advantages!,
        averaging: batch.averaging!,
        membership: batch.membership!,
      },
      settings,
    )
    const overTokens = (x: Tensor) => tf.sum(tf.mul(x, batch.tokenShare!))
    const policy =
      settings.topEntropyQuantile < 1 ? tf.mul(losses.policy, highestEntropy(entropy, batch)) : losses.policy
    const { kl } = losses
    const total = kl === undefined ? policy : tf.add(policy, tf.mul(kl, settings.beta))
    return {
      loss: tf.sum(tf.mul(total, batch.aggregation!)),
      metrics: {
        entropy: overTokens(entropy),
        ratio: overTokens(losses.ratio),
        ...(kl !== undefined && { kl: overTokens(kl) }),
        ...clippingMetrics(losses, batch, settings, overTokens),
      },
    }
  }
}

/** 1 where no fewer than `entropyRank` of the micro-batch's tokens have that entropy or less, [slots]. */
function highestEntropy(entropy: Tensor, { tokenShare, entropyRank }: TensorMap): Tensor {
  return detached(entropy, (x) => {
    const counted = tf.cast(tf.greater(tokenShare!, 0), 'float32')
    const noHigher = tf.cast(tf.lessEqual(tf.expandDims(x, 0), tf.expandDims(x, 1)), 'float32') // [slots, slots]
    const ranks = tf.squeeze(tf.matMul(noHigher, tf.expandDims(counted, 1)), [1])
    return tf.cast(tf.greaterEqual(ranks, entropyRank!), 'float32')
  })
}

/** Over tokens where the ratio is theirs, over sequences where it is the sequence's. */
function clippingMetrics(
  { clippedLow, clippedHigh, gate }: TokenLosses,
  batch: TensorMap,
  { tokenLoss, level }: TokenLossSettings,
  overTokens: (x: Tensor) => Tensor,
): TensorMap {
  const ofSequences = (x: Tensor) => tf.squeeze(tf.matMul(batch.averaging!, tf.expandDims(x, 1)), [1])
  const mean = (x: Tensor) =>
    level === 'token' ? overTokens(x) : tf.mul(tf.sum(ofSequences(x)), batch.sequenceShare!)
  if (tokenLoss === 'cispo') return { cispo_clip_ratio: mean(clippedHigh) }
  if (tokenLoss === 'vespo') {
    const ofEach = tf.add(ofSequences(gate!), tf.sub(1, batch.occupied!))
    return { 'vespo/phi_seq_mean': tf.mul(tf.sum(ofEach), batch.sequenceShare!) }
  }
  if (tokenLoss === 'sapo') return {}
  // A sequence without tokens has no ratio of a token, and the ratio 1 as a sequence.
  const low = ofSequences(clippedLow)
  const lowest = level === 'token' ? tf.add(low, tf.sub(1, batch.occupied!)) : low
  return {
    'clip_ratio/low_mean': mean(clippedLow),
    'clip_ratio/low_min': tf.mul(tf.min(lowest), batch.microShare!),
    'clip_ratio/high_mean': mean(clippedHigh),
    'clip_ratio/high_max': tf.mul(tf.max(ofSequences(clippedHigh)), batch.microShare!),
    'clip_ratio/region_mean': mean(tf.add(clippedLow, clippedHigh)),
  }
}
