/**
 * @file What a policy gradient makes of each token. With p the importance ratio, A the advantage, sg what carries no
 * gradient, s = sigmoid:
 *
 * clipped  -min(min(p, delta) A, clip(p, 1 - low, 1 + high) A)      PPO's; GRPO 2402.03300, Dr. GRPO 2503.20783,
 *                                                                   DAPO 2503.14476, GSPO 2507.18071, LUSPO 2602.05261
 * cispo    -sg(min(p, high)) A log pi                               2506.13585
 * sapo     -(4 / T) s(T (p - 1)) A, T by the sign of A              2511.20347
 * vespo    -sg(w^k exp(l (1 - w))) A log pi, k and l by the sign    2602.10693
 *          of A, w the product of the sequence's ratios
 *
 * and, weighed by beta, Schulman's estimate of the KL divergence from the reference, exp(ref - lp) - (ref - lp) - 1;
 * bias-corrected it is multiplied by p, as it would be drawn under the policy (2512.02556).
 */
import { detached } from '../../tensor/stop-gradient.ts'
import { type Tensor, tf } from '../../tensor/tf.ts'

export type TokenLoss = 'clipped' | 'cispo' | 'sapo' | 'vespo'

/** Of the losses that fade an update out instead of clipping it; TRL's names. */
export interface SoftGates {
  /** T of `sapo` for positive advantages and for others. */
  readonly sapoTemperature: { readonly positive: number; readonly other: number }
  /** k and lambda of `vespo` for negative advantages and for others. */
  readonly vespoPower: { readonly negative: number; readonly other: number }
  readonly vespoDecay: { readonly negative: number; readonly other: number }
}

export interface TokenLossSettings {
  readonly tokenLoss: TokenLoss
  /** Importance ratio of each token, or of the whole sequence (the geometric mean of its tokens' ratios). */
  readonly level: 'token' | 'sequence'
  readonly epsilonLow: number
  /** Of `cispo` the largest ratio itself. */
  readonly epsilonHigh: number
  /** Largest ratio that counts where clipping would let it grow (negative advantages). */
  readonly delta: number | undefined
  readonly gates: SoftGates
  /** Weight of the KL penalty to the reference. */
  readonly beta: number
  readonly biasCorrectedKl: boolean
}

export interface PolicyTokens {
  /** Policy, old policy and reference log-probabilities, [slots]. */
  readonly logps: Tensor
  readonly old: Tensor
  readonly reference: Tensor
  /** [slots]: the advantage of each token's completion. */
  readonly advantages: Tensor
  /** [sequences, slots]: 1 / tokens of the sequence where the token belongs to it. */
  readonly averaging: Tensor
  /** [sequences, slots]: 1 where the token belongs to the sequence. */
  readonly membership: Tensor
}

export interface TokenLosses {
  /** All [slots]; the loss is `policy` + beta `kl`. */
  readonly policy: Tensor
  readonly kl: Tensor | undefined
  /** Importance ratio, capped by `delta`. */
  readonly ratio: Tensor
  /** 1 where clipping takes the token out of the gradient at the lower and at the upper end. */
  readonly clippedLow: Tensor
  readonly clippedHigh: Tensor
  /** What `vespo` weighs the token's gradient with. */
  readonly gate: Tensor | undefined
}

export function tokenLosses(tokens: PolicyTokens, settings: TokenLossSettings): TokenLosses {
  const { logps, old, advantages } = tokens
  const logRatio = tf.sub(logps, old)
  const uncapped = tf.exp(
    settings.level === 'token' ? logRatio : ofSequence(logRatio, tokens.averaging, tokens),
  )
  const { tokenLoss, delta } = settings
  const isCapped = tokenLoss === 'clipped' && delta !== undefined
  const ratio = isCapped ? tf.minimum(uncapped, delta) : uncapped
  const gate = tokenLoss === 'vespo' ? vespoGate(logRatio, tokens, settings.gates) : undefined
  return {
    policy: tf.neg(gains()),
    kl: settings.beta === 0 ? undefined : divergence(tokens, uncapped, settings.biasCorrectedKl),
    ratio,
    ...clipping(ratio, advantages, settings),
    gate,
  }

  function gains(): Tensor {
    switch (tokenLoss) {
      case 'clipped': {
        const clipped = tf.clipByValue(uncapped, 1 - settings.epsilonLow, 1 + settings.epsilonHigh)
        return tf.minimum(tf.mul(ratio, advantages), tf.mul(clipped, advantages))
      }
      case 'cispo': {
        const weight = detached(ratio, (x) => tf.minimum(x, settings.epsilonHigh))
        return tf.mul(tf.mul(weight, advantages), logps)
      }
      case 'sapo': {
        const { positive, other } = settings.gates.sapoTemperature
        const temperature = tf.where(tf.greater(advantages, 0), tf.scalar(positive), tf.scalar(other))
        const gated = tf.sigmoid(tf.mul(temperature, tf.sub(ratio, 1)))
        return tf.mul(tf.div(tf.mul(gated, 4), temperature), advantages)
      }
      case 'vespo':
        return tf.mul(tf.mul(gate!, advantages), logps)
    }
  }
}

function divergence({ logps, reference }: PolicyTokens, ratio: Tensor, isCorrected: boolean): Tensor {
  const toReference = tf.sub(reference, logps)
  const kl = tf.sub(tf.sub(tf.exp(toReference), toReference), 1)
  return isCorrected ? tf.mul(kl, ratio) : kl
}

/** Where the ratio has left the region and the advantage would drive it further. */
function clipping(
  ratio: Tensor,
  advantages: Tensor,
  { tokenLoss, epsilonLow, epsilonHigh }: TokenLossSettings,
) {
  const highest = tokenLoss === 'cispo' ? epsilonHigh : 1 + epsilonHigh
  const both = (a: Tensor, b: Tensor) => tf.cast(tf.logicalAnd(a, b), 'float32')
  return {
    clippedLow: both(tf.less(ratio, 1 - epsilonLow), tf.less(advantages, 0)),
    clippedHigh: both(tf.greater(ratio, highest), tf.greater(advantages, 0)),
  }
}

/** At each token what `weights` [sequences, slots] make of its sequence's values. */
function ofSequence(values: Tensor, weights: Tensor, { membership }: PolicyTokens): Tensor {
  const sums = tf.matMul(weights, tf.expandDims(values, 1))
  return tf.squeeze(tf.matMul(membership, sums, true, false), [1])
}

/** Log ratios beyond these count for no more: of a token, and of a sequence from below. */
const largestLogRatio = 20
const smallestLogWeight = Math.log(1e-8)

function vespoGate(logRatio: Tensor, tokens: PolicyTokens, gates: SoftGates): Tensor {
  const isNegative = tf.less(tokens.advantages, 0)
  const bySign = ({ negative, other }: { negative: number; other: number }) =>
    tf.where(isNegative, tf.scalar(negative), tf.scalar(other))
  const power = bySign(gates.vespoPower)
  const decay = bySign(gates.vespoDecay)
  return detached(logRatio, (x) => {
    const sums = ofSequence(tf.clipByValue(x, -largestLogRatio, largestLogRatio), tokens.membership, tokens)
    const logWeight = tf.clipByValue(sums, smallestLogWeight, largestLogRatio)
    return tf.exp(tf.add(tf.mul(power, logWeight), tf.mul(decay, tf.sub(1, tf.exp(logWeight)))))
  })
}
