/** @file One importance ratio a sequence, and likelihood weighted by rewards. */
import { beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Model } from '../../lm/model/model.ts'
import { groupAdvantages } from '../../lm/training/advantages.ts'
import gspo from '../../stages/gspo/index.ts'
import { startOnnxBackend } from '../lm/start-onnx-backend.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'
import { chatPrompt, completionLogps, logOf, policy, quick, sum } from './training-runs.ts'

let model: Model
beforeAll(async () => {
  await startOnnxBackend()
  model = loadModel(policy.model)
})

const groups = [
  { prompt: 'Hi', responses: ['Hello', 'The cat sat', 'No'], weights: [0.5, 0.3, 0.2], rewards: [4, 3, 1] },
  { prompt: 'What is 8 plus 8?', responses: ['Answer: 16.', 'x'], weights: [0.9, 0.1], rewards: [5, 0] },
]
const completions = () =>
  groups.flatMap(({ prompt, responses }) =>
    responses.map((response) => ({
      prompt: chatPrompt(model, prompt),
      completion: model.tokenizer.encode(`${response}<|im_end|>`),
    })),
  )

function optimise(params: object, data: readonly object[] = groups) {
  const settings = { ...quick, batch_size: 8, epochs: 2, shuffle: false }
  return runStage(gspo, { ...policy, data: temporaryFile('groups.jsonl', data) }, { ...settings, ...params })
}

function advantagesOf(values: readonly (readonly number[])[]): readonly number[] {
  const rows = values.flatMap((own, group) => own.map((reward) => ({ group, rewards: [reward] })))
  return groupAdvantages(rows, { scale: 'group' }).values
}

describe('gspo', () => {
  /** Stored log-probabilities off by `shifts[i]` in sum, all on the first token of response i. */
  async function stored(shifts: readonly number[]) {
    const all = completions()
    const logps = await completionLogps(all)
    let next = 0
    return groups.map((group) => {
      const own = group.responses.map(() => next++)
      return {
        ...group,
        token_ids: own.map((row) => all[row]!.completion),
        logps: own.map((row) => logps[row]!.map((logp, token) => (token === 0 ? logp - shifts[row]! : logp))),
      }
    })
  }

  it('takes the ratio of the whole sequence, a mean over its tokens, and clips it', async () => {
    const shifts = [0.5, -0.5, 0.2, 0.001, -3]
    const lengths = completions().map(({ completion }) => completion.length)
    const ratios = shifts.map((shift, row) => Math.exp(shift / lengths[row]!))
    const advantages = advantagesOf(groups.map(({ rewards }) => rewards))
    const gains = advantages.map((each, row) => {
      const ratio = ratios[row]!
      return Math.min(each * ratio, each * Math.min(1 + 4e-4, Math.max(1 - 3e-4, ratio)))
    })
    const log = logOf(await optimise({}, await stored(shifts)))
    expect(log[0]!.loss).toBeCloseTo(-sum(gains) / 5, 4)
    // Logged over tokens.
    expect(log[0]!.ratio).toBeCloseTo(sum(ratios.map((each, row) => each * lengths[row]!)) / sum(lengths), 4)
    const clipped = ratios.map((each, row) =>
      Number(advantages[row]! > 0 ? each > 1 + 4e-4 : advantages[row]! < 0 && each < 1 - 3e-4),
    )
    expect(log[0]!['clip_ratio/region_mean']!).toBeCloseTo(sum(clipped) / 5, 6)
  })

  it('starts at the ratio 1 without stored log-probabilities, with a gradient', async () => {
    const log = logOf(await optimise({}))
    const advantages = advantagesOf(groups.map(({ rewards }) => rewards))
    expect(log[0]!.loss).toBeCloseTo(-sum(advantages) / 5, 5)
    for (const row of log) {
      expect(row.ratio).toBeCloseTo(1, 6)
      expect(row.grad_norm).toBeGreaterThan(0.01)
    }
  })

  it('takes weights for rewards where there are none, and says so', async () => {
    const run = await optimise(
      {},
      groups.map(({ rewards, ...group }) => group),
    )
    expect(run.warnings).toEqual(['some rows have no `rewards`: their `weights` are taken as rewards'])
    const rewarded = await optimise(
      {},
      groups.map((group) => ({ ...group, rewards: group.weights })),
    )
    expect(run.text('log')).toBe(rewarded.text('log'))
  })

  it('does not count responses that were cut, with mask_truncated', async () => {
    const cut = groups.map((group) => ({
      ...group,
      finished: group.responses.map((_, index) => index !== 1),
    }))
    const run = await optimise({ mask_truncated: true }, cut)
    const advantages = advantagesOf(groups.map(({ rewards }) => rewards))
    expect(logOf(run)[0]!.loss).toBeCloseTo(-(advantages[0]! + advantages[2]! + advantages[3]!) / 5, 5)
  })
})

describe('reward_weighted', () => {
  async function expectedLoss(weights: readonly (readonly number[])[]): Promise<number> {
    const logps = (await completionLogps(completions())).map(sum)
    return -sum(weights.flat().map((weight, row) => weight * logps[row]!)) / groups.length
  }
  const softmax = (rewards: readonly number[], temperature: number) => {
    const powers = rewards.map((reward) => Math.exp(reward / temperature))
    return powers.map((power) => power / sum(powers))
  }
  const weigh = (params: object, data?: readonly object[]) =>
    optimise({ objective: 'reward_weighted', ...params }, data)

  it('takes the softmax of the rewards at its own temperature', async () => {
    for (const temperature of [1, 3]) {
      const expected = await expectedLoss(groups.map(({ rewards }) => softmax(rewards, temperature)))
      const log = logOf(await weigh({ weight_temperature: temperature }))
      expect(log[0]!.loss! / expected).toBeCloseTo(1, 5)
    }
  })

  it('takes the weights as they are where there are no rewards', async () => {
    const run = await weigh(
      {},
      groups.map(({ rewards, ...group }) => group),
    )
    expect(logOf(run)[0]!.loss! / (await expectedLoss(groups.map(({ weights }) => weights)))).toBeCloseTo(
      1,
      5,
    )
    expect(run.warnings).toEqual([])
  })

  it('holds to the entering policy by beta: no cost at first, a smaller move after', async () => {
    const [free, held] = [logOf(await weigh({ epochs: 6 })), logOf(await weigh({ epochs: 6, beta: 0.5 }))]
    expect(held[0]!.loss! / free[0]!.loss!).toBeCloseTo(1, 4)
    expect(held.at(-1)!.loss!).toBeGreaterThan(free.at(-1)!.loss!)
  })

  it('drops a prompt that lost a response to truncation, and says so once', async () => {
    const long = { ...groups[0]!, prompt: 'Say it '.repeat(30) }
    const run = await weigh({ max_length: 60 }, [long, ...groups])
    expect(run.warnings).toEqual([
      '3 rows dropped: max_length 60 leaves nothing of the answer',
      '1 prompts dropped: they have lost a response',
    ])
    expect(await failureOf(weigh({ max_length: 60 }, [long]))).toMatchObject({ code: 'no-rows' })
  })
})
