import { beforeAll, describe, expect, it } from 'vitest'
import { type HostBatch, type HostTensor, upload } from '../../lm/tensor/host-tensor.ts'
import { jit } from '../../lm/tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../../lm/tensor/tf.ts'
import { groupAdvantages, type RewardScale } from '../../lm/training/advantages.ts'
import type { Objective } from '../../lm/training/objective.ts'
import { policyGradient } from '../../lm/training/objectives/policy-gradient.ts'
import { preference } from '../../lm/training/objectives/preference.ts'
import type { Divergence, PairLoss } from '../../lm/training/objectives/preference-losses.ts'
import { supervised } from '../../lm/training/objectives/supervised.ts'
import { reinforce, rewardWeighted } from '../../lm/training/objectives/weighted-likelihood.ts'
import { type LabelScores, labelScores } from '../../lm/training/token-scores.ts'
import type { Sample } from '../../stages/grpo/samples.ts'
import { type LossType, type PolicyTaskSettings, policyBatch, tokenLossOf } from '../../stages/grpo/task.ts'
import { largestDifference, readReference, referenceConfig } from './reference.ts'
import { startOnnxBackend } from './start-onnx-backend.ts'

type Numbers = number[]
type Metrics = Readonly<Record<string, number | null>>

interface DpoCase {
  readonly settings: {
    readonly losses: (PairLoss | 'sft')[]
    readonly weights: Numbers
    readonly beta: number
    readonly label_smoothing: number
    readonly divergence: Divergence
    readonly divergence_alpha: number
    readonly discopop_tau: number
    readonly weighted: boolean
  }
  readonly loss: number
  readonly gradient_chosen: Numbers
  readonly gradient_rejected: Numbers
  readonly metrics?: Metrics
}

interface PolicyGradientCase {
  readonly settings: {
    readonly rewards: string
    readonly scale_rewards: RewardScale
    readonly importance: 'token' | 'sequence'
    readonly loss_type: LossType
    readonly beta: number
    readonly epsilon_low: number
    readonly epsilon_high: number
    readonly delta: number | null
    readonly mask_truncated: boolean
    readonly old_logps: boolean
    readonly bias_correction_kl: boolean
    readonly max_completion_length: number
    readonly top_entropy_quantile: number
  }
  readonly loss: number
  readonly gradient: Numbers[]
  readonly metrics: Metrics
}

interface ObjectivesReference {
  readonly dpo: {
    readonly inputs: Readonly<
      Record<
        | 'chosen'
        | 'rejected'
        | 'reference_chosen'
        | 'reference_rejected'
        | 'chosen_lengths'
        | 'rejected_lengths'
        | 'log_sum_squares',
        Numbers
      >
    >
    readonly cases: DpoCase[]
  }
  readonly policy_gradient: {
    readonly inputs: {
      readonly logps: Numbers[]
      readonly old_logps: Numbers[]
      readonly reference_logps: Numbers[]
      readonly mask: Numbers[]
      readonly finished: boolean[]
      readonly entropies: Numbers[]
      readonly group_size: number
    }
    readonly rewards: Readonly<Record<string, (number | null)[]>>
    readonly advantages: Readonly<Record<string, Readonly<Record<RewardScale, Numbers>>>>
    readonly cases: PolicyGradientCase[]
  }
  readonly original: {
    readonly logps: Numbers
    readonly reference_logps: Numbers
    readonly rewards: Numbers
    readonly reinforce_baseline: { readonly loss: number; readonly gradient: Numbers }
    readonly reward_weighted: {
      readonly rows: number
      readonly cases: {
        readonly kl: number
        readonly weights: Numbers
        readonly loss: number
        readonly gradient: Numbers
      }[]
    }
  }
  readonly sft: {
    readonly logits: Numbers[][]
    readonly ids: Numbers[]
    readonly labels: Numbers[]
    readonly token_logps: Numbers[]
    readonly cases: { num_items_in_batch: number | null; loss: number; gradient: Numbers[][] }[]
  }
}

const reference = readReference<ObjectivesReference>('objectives.json')

beforeAll(startOnnxBackend)

const vector = (values: readonly number[]): HostTensor => ({
  shape: [values.length],
  data: Float32Array.from(values),
})
const matrix = (rows: readonly (readonly number[])[]): HostTensor => ({
  shape: [rows.length, rows[0]!.length],
  data: Float32Array.from(rows.flat()),
})
const scalar = (value: number): HostTensor => ({ shape: [], data: Float32Array.of(value) })
const identity = (size: number) =>
  Array.from({ length: size }, (_, row) =>
    Array.from({ length: size }, (_, column) => Number(row === column)),
  )
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0)

/** What a model would say of labels whose log-probabilities are given: nothing else is known of them. */
function fromLogps(logps: Tensor): LabelScores {
  const none = () => tf.zerosLike(logps)
  return { logps, correct: none(), entropy: none(), logSumSquares: none, meanScore: none }
}

/** Loss, gradient with respect to the log-probabilities and metrics, through one compiled graph as in training. */
function evaluate(
  objective: Objective,
  logps: readonly number[],
  batch: HostBatch,
  known: Partial<LabelScores> = {},
) {
  const metrics: TensorMap = {}
  const run = jit(({ logps, ...arrays }: TensorMap) => {
    const { value, grad } = tf.valueAndGrad((logps: Tensor) => {
      const outcome = objective({ ...fromLogps(logps), ...known }, arrays)
      for (const [name, tensor] of Object.entries(outcome.metrics)) metrics[name] = tf.keep(tensor)
      return outcome.loss as tf.Scalar
    })(logps!)
    return { loss: value, gradient: grad, ...metrics } as TensorMap
  })
  const results = run(upload({ logps: vector(logps), ...batch }))
  const values = Object.fromEntries(
    Object.entries(results).map(([name, tensor]) => [name, Array.from(tensor.dataSync())]),
  )
  run.dispose()
  return {
    loss: values.loss![0]!,
    gradient: values.gradient!,
    metrics: Object.fromEntries(Object.keys(metrics).map((name) => [name, values[name]![0]!])),
  }
}

/** Relative where the expected number is larger than 1. */
function expectClose(ours: number, theirs: number, tolerance: number) {
  expect(Math.abs(ours - theirs) / Math.max(1, Math.abs(theirs))).toBeLessThan(tolerance)
}

describe('direct preference optimisation', () => {
  const { inputs, cases } = reference.dpo
  const pairs = inputs.chosen.length
  const lengths = [...inputs.chosen_lengths, ...inputs.rejected_lengths]
  /** 1 / tokens of the chosen rows at each of them. */
  const sharesOf = (of: (row: number) => boolean) => {
    const total = sum(lengths.filter((_, row) => of(row)))
    return vector(lengths.map((_, row) => (of(row) ? 1 / total : 0)))
  }
  // One slot a sequence, which holds its sum.
  const batch: HostBatch = {
    membership: matrix(identity(2 * pairs)),
    summing: matrix(identity(2 * pairs)),
    lengths: vector(lengths),
    reference: vector([...inputs.reference_chosen, ...inputs.reference_rejected]),
    share: scalar(1 / pairs),
    chosenShare: sharesOf((row) => row < pairs),
    rejectedShare: sharesOf((row) => row >= pairs),
    tokenShare: sharesOf(() => true),
  }

  it.each(cases.map((each) => [JSON.stringify(each.settings), each] as const))('%s', (_, expected) => {
    const { settings } = expected
    const objective = preference({
      losses: settings.losses.map((loss, index) => ({ loss, weight: settings.weights[index]! })),
      beta: settings.beta,
      labelSmoothing: settings.label_smoothing,
      divergence: settings.divergence,
      divergenceAlpha: settings.divergence_alpha,
      discopopTau: settings.discopop_tau,
      weighted: settings.weighted,
    })
    const logSumSquares = () => tf.tensor1d(inputs.log_sum_squares)
    const ours = evaluate(objective, [...inputs.chosen, ...inputs.rejected], batch, { logSumSquares })
    expectClose(ours.loss, expected.loss, 1e-6)
    const gradient = [...expected.gradient_chosen, ...expected.gradient_rejected]
    const scale = Math.max(1, ...gradient.map(Math.abs))
    expect(largestDifference(ours.gradient, gradient) / scale).toBeLessThan(1e-6)
    for (const [name, value] of Object.entries(expected.metrics ?? {})) {
      expectClose(ours.metrics[name]!, value!, 1e-6)
    }
  })
})

describe('policy gradients', () => {
  const { inputs, rewards, advantages, cases } = reference.policy_gradient
  it.each(Object.keys(rewards))('advantages: %s', (name) => {
    const scored = rewards[name]!.map((reward, row) => ({
      group: Math.floor(row / inputs.group_size),
      rewards: [reward],
    }))
    for (const scale of ['group', 'batch', 'none'] as const) {
      const { values } = groupAdvantages(scored, { scale })
      expect(largestDifference(values, advantages[name]![scale])).toBeLessThan(1e-8)
    }
  })

  it('finds no signal in equal rewards whose mean is off by the last bit', () => {
    const rewards = [0.1, 0.1, 0.1].map((reward) => ({ group: 0, rewards: [reward] }))
    const { hasSignal, fracRewardZeroStd } = groupAdvantages(rewards, { scale: 'group' })
    expect(hasSignal).toEqual([false, false, false])
    expect(fracRewardZeroStd).toBe(1)
  })

  it.each(cases.map((each) => [JSON.stringify(each.settings), each] as const))('%s', (_, expected) => {
    const { settings } = expected
    const task: PolicyTaskSettings = {
      lossType: settings.loss_type,
      tokenLoss: tokenLossOf(settings.loss_type),
      level: settings.importance,
      epsilonLow: settings.epsilon_low,
      epsilonHigh: settings.epsilon_high,
      delta: settings.delta ?? undefined,
      gates: {
        sapoTemperature: { positive: 1, other: 1.5 },
        vespoPower: { negative: 3, other: 2 },
        vespoDecay: { negative: 2, other: 3 },
      },
      beta: settings.beta,
      biasCorrectedKl: settings.bias_correction_kl,
      topEntropyQuantile: settings.top_entropy_quantile,
      maskTruncated: settings.mask_truncated,
      maxCompletionLength: settings.max_completion_length,
    }
    const lengths = inputs.mask.map(sum)
    const samples = lengths.map((length, row): Sample => {
      const values = (of: Numbers[]) => of[row]!.slice(0, length)
      return {
        // A prompt of one token.
        sequence: { ids: Array.from({ length: length + 1 }, () => 0), weights: [0, ...values(inputs.mask)] },
        advantage: advantages[settings.rewards]![settings.scale_rewards][row]!,
        reward: 0,
        group: Math.floor(row / inputs.group_size),
        finished: inputs.finished[row]!,
        hasSignal: true,
        old: settings.old_logps ? values(inputs.old_logps) : undefined,
        reference: values(inputs.reference_logps),
      }
    })
    const counts = (row: number) => !settings.mask_truncated || inputs.finished[row]!
    const tokens = sum(lengths.filter((_, row) => counts(row)))
    const whole = { sequences: lengths.length, tokens }
    const { arrays } = policyBatch(samples, whole, task, { config: referenceConfig('llama'), sharing: true })
    // Which row and column a slot stands for; those of padding hold what a model says about padding.
    const places = lengths.flatMap((length, row) =>
      counts(row) ? Array.from({ length }, (_, column) => [row, column] as const) : [],
    )
    const slots = arrays.tokenShare!.shape[0]!
    const padding = slots - places.length
    const atSlots = (of: Numbers[], filler: number) => [
      ...places.map(([row, column]) => of[row]![column]!),
      ...Array.from({ length: padding }, () => filler),
    ]
    const entropy = () => tf.tensor1d(atSlots(inputs.entropies, 3))
    const result = evaluate(policyGradient(task), atSlots(inputs.logps, -200), arrays, { entropy: entropy() })
    expectClose(result.loss, expected.loss, 1e-6)
    const gradient = atSlots(expected.gradient, 0)
    expect(largestDifference(result.gradient, gradient)).toBeLessThan(1e-6)
    // No more and no less than what TRL logs, but for the mean ratio.
    const { ratio: _ratio, ...metrics } = result.metrics
    expect(Object.keys(metrics).sort()).toEqual(Object.keys(expected.metrics).sort())
    for (const [name, value] of Object.entries(expected.metrics)) expectClose(metrics[name]!, value!, 2e-6)
  })
})

describe("the original's objectives", () => {
  const { logps, reference_logps, rewards, reinforce_baseline, reward_weighted } = reference.original

  it('reinforce_baseline', () => {
    const clipped = rewards.map((reward) => Math.max(-5, Math.min(5, reward)))
    const baseline = sum(clipped) / clipped.length
    const factors = vector(clipped.map((reward) => (reward - baseline) / clipped.length))
    const ours = evaluate(reinforce, logps, { factors })
    expectClose(ours.loss, reinforce_baseline.loss, 1e-6)
    expect(largestDifference(ours.gradient, reinforce_baseline.gradient)).toBeLessThan(1e-6)
  })

  it.each(reward_weighted.cases)('reward_weighted, temperature $temperature, kl $kl', (expected) => {
    const { rows } = reward_weighted
    const ours = evaluate(rewardWeighted, logps.slice(0, rows), {
      factors: vector(expected.weights.map((weight) => weight - expected.kl / rows)),
      klFactors: vector(expected.weights.map(() => expected.kl / rows)),
      reference: vector(reference_logps.slice(0, rows)),
    })
    expectClose(ours.loss, expected.loss, 1e-6)
    expect(largestDifference(ours.gradient, expected.gradient)).toBeLessThan(1e-6)
  })
})

describe('supervised fine-tuning', () => {
  const { logits, ids, labels, token_logps, cases } = reference.sft
  const scores = () => tf.tensor2d(logits.flatMap((row) => row.slice(0, -1)) as number[][])
  const targets = () =>
    tf.tensor1d(
      ids.flatMap((row) => row.slice(1)),
      'int32',
    )

  /** Scores as hidden states of the identity. */
  const ofScores = (x: Tensor, y: Tensor) => labelScores(x, tf.eye(x.shape[1]!), y)

  it('token log-probabilities, with scores raised by 80', () => {
    const run = jit(({ x, y }: { x: Tensor; y: Tensor }) => ({ logps: ofScores(x, y).logps }))
    const ours = Array.from(run({ x: scores(), y: targets() }).logps.dataSync())
    expect(largestDifference(ours, token_logps.flat())).toBeLessThan(1e-5)
  })

  it.each(cases)('mean over $num_items_in_batch tokens (null: those of the batch)', (expected) => {
    const learned = labels.flatMap((row) => row.slice(1).map((label) => Number(label !== -100)))
    const total = expected.num_items_in_batch ?? sum(learned)
    const shares = tf.tensor1d(learned.map((each) => each / total))
    const run = jit(({ x, y, shares }: { x: Tensor; y: Tensor; shares: Tensor }) => {
      const { value, grad } = tf.valueAndGrad((x: Tensor) => {
        const { loss } = supervised(ofScores(x, y), { shares, counts: shares })
        return loss as tf.Scalar
      })(x)
      return { loss: value as Tensor, gradient: grad }
    })
    const { loss, gradient } = run({ x: scores(), y: targets(), shares })
    expectClose(loss.dataSync()[0]!, expected.loss, 1e-6)
    const theirs = expected.gradient.flatMap((row) => row.slice(0, -1)).flat()
    expect(largestDifference(Array.from(gradient.dataSync()), theirs)).toBeLessThan(1e-6)
  })
})
