/** @file Policy gradients on stored completions: advantages, ratios, aggregation, and what does not count. */
import { beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Model } from '../../lm/model/model.ts'
import { encodePrompt } from '../../lm/text/conversation.ts'
import { groupAdvantages } from '../../lm/training/advantages.ts'
import grpo from '../../stages/grpo/index.ts'
import { startOnnxBackend } from '../lm/start-onnx-backend.ts'
import { runStage, temporaryFile } from './run-stage.ts'
import { chatPrompt, completionLogps, logOf, mergingModel, policy, quick, sum } from './training-runs.ts'

let model: Model
beforeAll(async () => {
  await startOnnxBackend()
  model = loadModel(policy.model)
})

/** Two groups with a signal and one without; completions of 2 to 7 tokens, the last of each group cut. */
const rewards = [
  [1, 2, 4],
  [3, 3, 3],
  [0, 5, 1],
]
const rows = rewards.flatMap((group, index) =>
  group.map((reward, member) => ({
    prompt: `Question ${index}`,
    response: 'unread',
    reward,
    group: index,
    token_ids: Array.from(
      { length: 2 + ((index + 2 * member) % 6) },
      (_, position) => 20 + 31 * position + member,
    ),
    finished: member < 2,
  })),
)
const scored = rows.map(({ group, reward }) => ({ group, rewards: [reward] }))
const advantages = groupAdvantages(scored, { scale: 'group' }).values
const lengths = rows.map(({ token_ids }) => token_ids.length)

function optimise(params: object, data: readonly object[] = rows) {
  const settings = { ...quick, batch_size: 9, epochs: 2, shuffle: false }
  return runStage(grpo, { ...policy, data: temporaryFile('rewards.jsonl', data) }, { ...settings, ...params })
}

function expectLoss(run: Awaited<ReturnType<typeof optimise>>, expected: number) {
  expect(logOf(run)[0]!.loss).toBeCloseTo(expected, 5)
}

describe('rows without log-probabilities', () => {
  it('have the ratio 1, and a gradient all the same, in every epoch', async () => {
    const log = logOf(await optimise({}))
    for (const row of log) {
      expect(row.ratio).toBeCloseTo(1, 6)
      expect(row['clip_ratio/region_mean']).toBe(0)
      expect(row.grad_norm).toBeGreaterThan(0.01)
    }
  })

  const weighted = (weights: readonly number[]) => -sum(advantages.map((each, row) => each * weights[row]!))
  it.each([
    ['dapo', weighted(lengths) / sum(lengths)],
    ['bnpo', weighted(lengths) / sum(lengths)],
    ['grpo', weighted(lengths.map(() => 1)) / 9],
    ['dr_grpo', weighted(lengths) / (9 * 16)],
  ])('%s: the first loss is the mean of the advantages as it weighs them', async (loss_type, expected) => {
    expectLoss(await optimise({ loss_type, max_completion_length: 16 }), expected)
  })

  it.each(['batch', 'none'] as const)('scale_rewards: %s', async (scale_rewards) => {
    const { values } = groupAdvantages(scored, { scale: scale_rewards })
    const expected = -sum(values.map((each, row) => each * lengths[row]!)) / sum(lengths)
    expectLoss(await optimise({ scale_rewards }), expected)
  })
})

describe('rows with log-probabilities', () => {
  /** Stored as they are under the policy, plus `shift` a token. */
  async function stored(shift: number, temperature = 1) {
    const logps = await completionLogps(
      rows.map(({ prompt, token_ids }) => ({ prompt: chatPrompt(model, prompt), completion: token_ids })),
      temperature,
    )
    return rows.map((row, index) => ({ ...row, logps: logps[index]!.map((logp) => logp + shift) }))
  }

  it('have the ratio of policy to old policy, clipped where it gains', async () => {
    const ratio = Math.exp(-0.3)
    const log = logOf(await optimise({}, await stored(0.3)))
    expect(log[0]!.ratio).toBeCloseTo(ratio, 4)
    const gains = advantages.map((each) => Math.min(each * ratio, each * Math.max(ratio, 0.8)))
    expect(log[0]!.loss).toBeCloseTo(-sum(gains.map((gain, row) => gain * lengths[row]!)) / sum(lengths), 4)
    // A ratio below the band is clipped where the advantage is negative.
    const clipped = sum(lengths.filter((_, row) => advantages[row]! < -1e-6)) / sum(lengths)
    expect(log[0]!['clip_ratio/low_mean']).toBeCloseTo(clipped, 5)
  })

  it('start at the ratio 1 at the temperature at which they were sampled', async () => {
    const log = logOf(await optimise({ temperature: 0.7, beta: 0.5 }, await stored(0, 0.7)))
    expect(log[0]!.ratio).toBeCloseTo(1, 4)
    expect(log[0]!.kl).toBeCloseTo(0, 6)
    expect(log[1]!.kl!).toBeGreaterThan(0)
    expect(log[1]!.ratio).not.toBe(1)
    const hotter = logOf(await optimise({ temperature: 1.4 }, await stored(0, 0.7)))
    expect(Math.abs(hotter[0]!.ratio! - 1)).toBeGreaterThan(0.05)
  })
})

describe('rows that do not count', () => {
  it('groups without a signal are counted and named in the log', async () => {
    const run = await optimise({})
    expect(run.logs).toContain(
      'frac_reward_zero_std 0.3333: 33.3% of the groups have equal rewards, no signal',
    )
  })

  it('drop_zero_std leaves those groups out', async () => {
    const run = await optimise({ drop_zero_std: true })
    const left = [0, 1, 2, 6, 7, 8]
    const tokens = sum(left.map((row) => lengths[row]!))
    expectLoss(run, -sum(left.map((row) => advantages[row]! * lengths[row]!)) / tokens)
    const prompts = sum(left.map((row) => chatPrompt(model, rows[row]!.prompt).length))
    expect(logOf(run)[0]!.tokens).toBe(tokens + prompts)
  })

  const finished = rows.flatMap((row, index) => (row.finished ? [index] : []))
  it.each([
    [
      'dapo',
      -sum(finished.map((row) => advantages[row]! * lengths[row]!)) /
        sum(finished.map((row) => lengths[row]!)),
    ],
    // The rows still count in the mean over sequences.
    ['grpo', -sum(finished.map((row) => advantages[row]!)) / 9],
  ])('mask_truncated leaves out completions that were cut: %s', async (loss_type, expected) => {
    expectLoss(await optimise({ mask_truncated: true, loss_type }), expected)
  })

  it('a completion cut by max_length is a truncated one', async () => {
    const longest = Math.max(
      ...rows.map(({ prompt, token_ids }) => chatPrompt(model, prompt).length + token_ids.length),
    )
    const counted = finished.filter(
      (row) => chatPrompt(model, rows[row]!.prompt).length + lengths[row]! < longest,
    )
    const whole = await optimise({ mask_truncated: true, max_length: longest - 1 })
    const expected =
      -sum(counted.map((row) => advantages[row]! * lengths[row]!)) / sum(counted.map((row) => lengths[row]!))
    expectLoss(whole, expected)
  })
})

describe('completions as text', () => {
  const texts = [
    { prompt: 'Hi', response: 'Hello', reward: 1 },
    { prompt: 'Hi', response: 'No', reward: 0 },
    { prompt: 'Bye', response: 'So long', reward: 0 },
    { prompt: 'Bye', response: 'Now', reward: 2 },
  ]
  const tokensOf = async (data: readonly object[]) => logOf(await optimise({}, data))[0]!.tokens!

  it('form groups of equal prompts where the file names none', async () => {
    const grouped = texts.map((row, index) => ({ ...row, group: index < 2 ? 0 : 1 }))
    const [named, unnamed] = [await optimise({}, grouped), await optimise({}, texts)]
    expect(unnamed.text('log')).toBe(named.text('log'))
    expect(unnamed.logs.join()).not.toContain('zero_std')
  })

  it('end with the end of turn, unless they were cut', async () => {
    const prompts = sum(
      texts.map(({ prompt }) => encodePrompt(model.tokenizer, [{ role: 'user', content: prompt }]).length),
    )
    const completions = sum(texts.map(({ response }) => model.tokenizer.encode(response).length))
    expect(await tokensOf(texts)).toBe(prompts + completions + texts.length)
    expect(await tokensOf(texts.map((row) => ({ ...row, finished: false })))).toBe(prompts + completions)
  })
})

it("warns where answers merge with their prompt's last token", async () => {
  const data = temporaryFile('rewards.jsonl', [
    { prompt: 'Hi', response: '\nHello', reward: 1 },
    { prompt: 'Hi', response: 'No', reward: 0 },
  ])
  const run = await runStage(grpo, { ...policy, model: mergingModel(), data }, quick)
  expect(run.warnings).toEqual(["1 answers merge with the prompt's last tokens: those are trained too"])
})

describe('reinforce_baseline', () => {
  const sequenceLogps = async () => {
    const logps = await completionLogps(
      rows.map(({ prompt, token_ids }) => ({ prompt: chatPrompt(model, prompt), completion: token_ids })),
    )
    return logps.map(sum)
  }

  it('weighs sequences by their reward less the batch mean, rewards clipped to 5', async () => {
    const wild = rows.map((row, index) => ({
      ...row,
      reward: index === 4 ? 50 : index === 5 ? -50 : row.reward,
    }))
    const clipped = wild.map(({ reward }) => Math.max(-5, Math.min(5, reward)))
    const mean = sum(clipped) / 9
    const logps = await sequenceLogps()
    const expected = -sum(clipped.map((reward, row) => (reward - mean) * logps[row]!)) / 9
    const run = await optimise({ objective: 'reinforce_baseline' }, wild)
    expect(logOf(run)[0]!.loss! / expected).toBeCloseTo(1, 4)
  })

  it('learns from rewards that are equal within every group, as it looks across them', async () => {
    const level = rows.map((row) => ({ ...row, reward: row.group }))
    const log = logOf(await optimise({ objective: 'reinforce_baseline' }, level))
    expect(log[0]!.grad_norm).toBeGreaterThan(0)
  })
})
