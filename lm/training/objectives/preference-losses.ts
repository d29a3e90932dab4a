/**
 * @file Losses of preference pairs as pure functions of summed log-probabilities, the mean over pairs left to the
 * caller. With c and r the policy's minus the reference's log-probability of the chosen and the rejected completion,
 * D = c - r, beta the strength of the reference, ls = log sigmoid, s = sigmoid, e the label smoothing:
 *
 * sigmoid       -(1-e) ls(beta D) - e ls(-beta D)                                     2305.18290; e > 0: cDPO
 * robust        [-(1-e) ls(beta D) + e ls(-beta D)] / (1 - 2e)                        2403.00409
 * hinge         relu(1 - beta D)                                                      2305.10425 (SLiC)
 * ipo           (c / len_chosen - r / len_rejected - 1 / (2 beta))^2                  2310.12036
 * sigmoid_norm  -ls(beta (c / len_chosen - r / len_rejected))                         2411.15124
 * exo_pair      s(beta D) [ls(beta D) - ln(1-e)] + s(-beta D) [ls(-beta D) - ln e]    2402.00856
 * nca_pair      -ls(beta c) - ls(-beta c) / 2 - ls(-beta r) / 2                       2402.05369
 * bco_pair      -ls(beta c) - ls(-beta r)                                             2404.04656, without its shift
 * sppo_hard     (c - 1 / (2 beta))^2 + (r + 1 / (2 beta))^2                           2405.00675
 * apo_zero      1 - s(beta c) + s(beta r)                                             2408.06266
 * apo_down      s(beta c) + 1 - s(beta D)                                             2408.06266
 * discopop      (1-m) (-ls(beta D)) + m exp(-beta D), m = s(beta D / tau)             2406.08414
 * aot           sigmoid of the i-th smallest policy margin minus the i-th smallest
 *               reference margin, over the pairs of a micro-batch                     2406.05882
 * aot_unpaired  sigmoid of the i-th smallest c minus the i-th smallest r              2406.05882
 *
 * Other divergences than the reverse KL (2309.16240) put f'(exp c) and f'(exp r) in the place of c and r.
 */
import { detached } from '../../tensor/stop-gradient.ts'
import { type Tensor, tf } from '../../tensor/tf.ts'

/** Losses that see c and r only through D, and so allow for other divergences. */
const marginLosses = ['sigmoid', 'robust', 'hinge', 'ipo', 'sigmoid_norm', 'exo_pair', 'discopop'] as const
/** Losses that compare the pairs of a batch with one another. */
const sortedLosses = ['aot', 'aot_unpaired'] as const
const otherLosses = ['nca_pair', 'bco_pair', 'sppo_hard', 'apo_zero', 'apo_down'] as const

export const pairLossNames = [...marginLosses, ...otherLosses, ...sortedLosses] as const
export type PairLoss = (typeof pairLossNames)[number]

export type Divergence = 'reverse_kl' | 'forward_kl' | 'js_divergence' | 'alpha_divergence'

export function allowsDivergence(loss: PairLoss): boolean {
  return (marginLosses as readonly string[]).includes(loss)
}

export function comparesPairs(loss: PairLoss): boolean {
  return (sortedLosses as readonly string[]).includes(loss)
}

/** A number of each side of each pair, [pairs]. */
export interface Sides {
  readonly chosen: Tensor
  readonly rejected: Tensor
}

export interface PairLogps {
  /** Summed over the completion. */
  readonly policy: Sides
  readonly reference: Sides
  /** Tokens of each completion. */
  readonly lengths: Sides
}

export interface PairLossSettings {
  readonly beta: number
  /** Share of pairs taken to be labelled the wrong way round. */
  readonly labelSmoothing: number
  readonly divergence: Divergence
  /** Of `alpha_divergence`. */
  readonly divergenceAlpha: number
  /** Of `discopop`. */
  readonly discopopTau: number
}

function combine(a: Sides, b: Sides, operation: (a: Tensor, b: Tensor) => Tensor): Sides {
  return { chosen: operation(a.chosen, b.chosen), rejected: operation(a.rejected, b.rejected) }
}

/** c and r. */
export function logRatios({ policy, reference }: PairLogps): Sides {
  return combine(policy, reference, tf.sub)
}

/** -softplus(-x), which neither overflows nor cancels. */
function logSigmoid(x: Tensor): Tensor {
  return tf.neg(tf.softplus(tf.neg(x)))
}

/** Above this the alpha divergence's power no longer grows: exp stays finite in float32. */
const largestExponent = 80

/** f'(t) at t = exp(x), up to a constant. */
function divergenceScore(x: Tensor, { divergence, divergenceAlpha }: PairLossSettings): Tensor {
  switch (divergence) {
    case 'reverse_kl':
      return x
    case 'forward_kl':
      return tf.sub(1, tf.exp(tf.neg(x)))
    case 'js_divergence':
      return tf.add(logSigmoid(x), Math.log(2))
    case 'alpha_divergence': {
      const power = divergenceAlpha - 1
      // The limit at 1 is the reverse KL.
      if (Math.abs(power) < 1e-6) return x
      return tf.div(tf.sub(tf.exp(tf.minimum(tf.mul(x, power), largestExponent)), 1), power)
    }
  }
}

/** Loss of each pair, [pairs]. */
export function pairLosses(loss: PairLoss, logps: PairLogps, settings: PairLossSettings): Tensor {
  const { beta, labelSmoothing: e } = settings
  const ratios = logRatios(logps)
  const scores = {
    chosen: divergenceScore(ratios.chosen, settings),
    rejected: divergenceScore(ratios.rejected, settings),
  }
  const margin = tf.sub(scores.chosen, scores.rejected)
  const scaled = tf.mul(margin, beta)
  const c = tf.mul(ratios.chosen, beta)
  const r = tf.mul(ratios.rejected, beta)
  switch (loss) {
    case 'sigmoid':
      return smoothed(scaled, e)
    case 'robust':
      // Flipping a label's probability e unbiases the loss: (1-e) f(x) - e f(-x), over 1 - 2e.
      return tf.div(
        tf.sub(tf.mul(logSigmoid(tf.neg(scaled)), e), tf.mul(logSigmoid(scaled), 1 - e)),
        1 - 2 * e,
      )
    case 'hinge':
      return tf.relu(tf.sub(1, scaled))
    case 'ipo':
      return tf.square(tf.sub(normalisedMargin(), 1 / (2 * beta)))
    case 'sigmoid_norm':
      return tf.neg(logSigmoid(tf.mul(normalisedMargin(), beta)))
    case 'exo_pair': {
      const forward = tf.mul(tf.sigmoid(scaled), tf.sub(logSigmoid(scaled), Math.log(1 - e)))
      const backward = tf.mul(tf.sigmoid(tf.neg(scaled)), tf.sub(logSigmoid(tf.neg(scaled)), Math.log(e)))
      return tf.add(forward, backward)
    }
    case 'nca_pair': {
      const push = tf.mul(tf.add(logSigmoid(tf.neg(c)), logSigmoid(tf.neg(r))), 0.5)
      return tf.neg(tf.add(logSigmoid(c), push))
    }
    case 'bco_pair':
      return tf.neg(tf.add(logSigmoid(c), logSigmoid(tf.neg(r))))
    case 'sppo_hard': {
      const target = 1 / (2 * beta)
      return tf.add(tf.square(tf.sub(ratios.chosen, target)), tf.square(tf.add(ratios.rejected, target)))
    }
    case 'apo_zero':
      return tf.add(tf.sub(1, tf.sigmoid(c)), tf.sigmoid(r))
    case 'apo_down':
      return tf.add(tf.sigmoid(c), tf.sub(1, tf.sigmoid(scaled)))
    case 'discopop': {
      // m and 1 - m by their logarithms: a sigmoid far from 0 has lost the digits that the exponential would raise.
      const modulation = tf.div(scaled, settings.discopopTau)
      const logistic = tf.mul(tf.neg(logSigmoid(scaled)), tf.exp(logSigmoid(tf.neg(modulation))))
      return tf.add(logistic, tf.exp(tf.sub(logSigmoid(modulation), scaled)))
    }
    case 'aot': {
      const { policy, reference } = logps
      const policyMargins = ascending(tf.sub(policy.chosen, policy.rejected))
      const referenceMargins = ascending(tf.sub(reference.chosen, reference.rejected))
      return smoothed(tf.mul(tf.sub(policyMargins, referenceMargins), beta), e)
    }
    case 'aot_unpaired':
      return smoothed(tf.sub(ascending(c), ascending(r)), e)
  }

  function normalisedMargin(): Tensor {
    const { chosen, rejected } = combine(scores, logps.lengths, tf.div)
    return tf.sub(chosen, rejected)
  }
}

function smoothed(x: Tensor, e: number): Tensor {
  const right = tf.neg(logSigmoid(x))
  if (e === 0) return right
  return tf.sub(tf.mul(right, 1 - e), tf.mul(logSigmoid(tf.neg(x)), e))
}

/** The values of a vector in ascending order; the gradient follows each to its place. */
function ascending(x: Tensor): Tensor {
  const size = x.shape[0]!
  const permutation = detached(x, (values) => {
    const row = tf.reshape(values, [1, size])
    const column = tf.reshape(values, [size, 1])
    // Equal values keep their order.
    const earlier = tf.tensor2d(
      Array.from({ length: size }, (_, i) => Array.from({ length: size }, (_, j) => Number(j < i))),
    )
    const below = tf.cast(tf.less(row, column), 'float32')
    const equal = tf.cast(tf.equal(row, column), 'float32')
    const ranks = tf.sum(tf.add(below, tf.mul(equal, earlier)), 1) // [size]
    return tf.cast(tf.equal(tf.expandDims(tf.range(0, size), 1), tf.expandDims(ranks, 0)), 'float32')
  })
  return tf.reshape(tf.matMul(permutation, tf.reshape(x, [size, 1])), [size])
}
