/**
 * @file Clipped policy gradients on scored completions: GRPO (arXiv 2402.03300; its variants Dr. GRPO 2503.20783 and
 * DAPO 2503.14476) with a ratio a token, GSPO (2507.18071) with a ratio a sequence.
 */
import { stopGradient } from '../../tensor/stop-gradient.ts'
import { type Tensor, tf } from '../../tensor/tf.ts'
import type { Objective } from '../objective.ts'

export interface PolicyGradientSettings {
  /** Importance ratio of each token, or of the whole sequence (the geometric mean of its tokens' ratios). */
  readonly level: 'token' | 'sequence'
  readonly epsilonLow: number
  readonly epsilonHigh: number
  /** Weight of the KL penalty to the reference. */
  readonly beta: number
}

export interface PolicyTokens {
  /** Policy, old policy and reference log-probabilities, [slots]. */
  readonly logps: Tensor
  readonly old: Tensor
  readonly reference: Tensor
  /** [slots]: the advantage of each token's completion. */
  readonly advantages: Tensor
  /** [sequences, slots]: 1 / tokens of the sequence where the token belongs to it. Needed for `sequence`. */
  readonly averaging: Tensor
  /** [sequences, slots]: 1 where the token belongs to the sequence. */
  readonly membership: Tensor
}

/**
 * Loss and diagnostics of each token, [slots]:
 * -min(ratio A, clip(ratio, 1 - epsilonLow, 1 + epsilonHigh) A) + beta KL, with Schulman's estimator
 * KL = exp(ref - lp) - (ref - lp) - 1.
 */
export function policyTokenLosses(tokens: PolicyTokens, settings: PolicyGradientSettings) {
  const { logps, old, advantages } = tokens
  const logRatio = settings.level === 'token' ? tf.sub(logps, old) : sequenceLogRatio(tokens)
  const ratio = tf.exp(logRatio)
  const clipped = tf.clipByValue(ratio, 1 - settings.epsilonLow, 1 + settings.epsilonHigh)
  const unclippedGain = tf.mul(ratio, advantages)
  const clippedGain = tf.mul(clipped, advantages)
  const gain = tf.minimum(unclippedGain, clippedGain)
  const isClipped = tf.cast(tf.less(clippedGain, unclippedGain), 'float32')
  if (settings.beta === 0) return { losses: tf.neg(gain), isClipped, ratio, kl: undefined }
  const toReference = tf.sub(tokens.reference, logps)
  const kl = tf.sub(tf.sub(tf.exp(toReference), toReference), 1)
  return { losses: tf.add(tf.neg(gain), tf.mul(kl, settings.beta)), isClipped, ratio, kl }
}

/** The mean log-ratio of each token's sequence, [slots]. */
function sequenceLogRatio({ logps, old, averaging, membership }: PolicyTokens): Tensor {
  const means = tf.matMul(averaging, tf.expandDims(tf.sub(logps, old), 1))
  return tf.squeeze(tf.matMul(membership, means, true, false), [1])
}

/**
 * Reads, besides `tokenBatch`'s arrays: `aggregation` [slots] (what each token's loss counts for; 0 in padding and
 * where a completion is masked), `tokenShare` [slots] (1 / counted tokens of the accumulated batch), `old`,
 * `hasOld` (1 where an old log-probability is known; elsewhere the ratio is 1 and only its gradient counts),
 * `reference`, `advantages` [slots], `membership` and `averaging` [sequences, slots].
 */
export function policyGradient(settings: PolicyGradientSettings): Objective {
  return ({ logps }, batch) => {
    const own = tf.mul(stopGradient(logps), tf.sub(1, batch.hasOld!))
    const tokens: PolicyTokens = {
      logps,
      old: tf.add(tf.mul(batch.old!, batch.hasOld!), own),
      reference: batch.reference!,
      advantages: batch.advantages!,
      averaging: batch.averaging!,
      membership: batch.membership!,
    }
    const { losses, isClipped, ratio, kl } = policyTokenLosses(tokens, settings)
    // Padding slots carry arbitrary log-probabilities: their product with 0 must not become NaN.
    const counted = tf.greater(batch.tokenShare!, 0)
    const only = (x: Tensor) => tf.where(counted, x, tf.zerosLike(x))
    return {
      loss: tf.sum(tf.mul(only(losses), batch.aggregation!)),
      metrics: {
        clip_ratio: tf.sum(tf.mul(isClipped, batch.tokenShare!)),
        ratio: tf.sum(tf.mul(only(ratio), batch.tokenShare!)),
        ...(kl !== undefined && { kl: tf.sum(tf.mul(only(kl), batch.tokenShare!)) }),
      },
    }
  }
}

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
