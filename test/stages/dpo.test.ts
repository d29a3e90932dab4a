/** @file Preference optimisation: the reference, the losses at their start, and which tokens they read. */
import { beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Model } from '../../lm/model/model.ts'
import { pairLossNames } from '../../lm/training/objectives/preference-losses.ts'
import dpo from '../../stages/dpo/index.ts'
import { referencePath } from '../lm/reference.ts'
import { startOnnxBackend } from '../lm/start-onnx-backend.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'
import { chatPrompt, completionLogps, logOf, mergingModel, policy, quick, sum } from './training-runs.ts'

let model: Model
beforeAll(async () => {
  await startOnnxBackend()
  model = loadModel(policy.model)
})

const rows = referencePath('training/dpo-rows.jsonl')

function answerTokens(text: string): number {
  return model.tokenizer.encode(`${text}<|im_end|>\n`).length
}

function optimise(params: object, data = rows) {
  return runStage(dpo, { ...policy, data }, { ...quick, ...params })
}

describe('the first loss, where policy and reference are one', () => {
  const beta = 0.2
  const e = 0.1
  const ln2 = Math.log(2)
  const expected: Readonly<Record<string, number>> = {
    sigmoid: ln2,
    robust: ln2,
    hinge: 1,
    ipo: (1 / (2 * beta)) ** 2,
    sigmoid_norm: ln2,
    exo_pair: 0.5 * (-ln2 - Math.log(1 - e)) + 0.5 * (-ln2 - Math.log(e)),
    nca_pair: 2 * ln2,
    bco_pair: 2 * ln2,
    sppo_hard: 2 * (1 / (2 * beta)) ** 2,
    discopop: 0.5 * ln2 + 0.5,
    aot: ln2,
    aot_unpaired: ln2,
    apo_zero: 1,
    apo_down: 1,
  }

  it.each(pairLossNames)('%s', async (loss) => {
    // The entering adapter is not zero: against the bare base the loss would be another.
    const log = logOf(await optimise({ loss, beta, label_smoothing: e, max_steps: 1 }))
    expect(Math.abs(log[0]!.loss! / expected[loss]! - 1)).toBeLessThan(2e-5)
    expect(Math.abs(log[0]!['rewards/margins']!)).toBeLessThan(2e-5)
  })

  it('rpo adds the likelihood of the chosen answer, a token mean', async () => {
    const row = { prompt: 'Hi', chosen: 'The cat', rejected: 'a' }
    const data = temporaryFile('pairs.jsonl', [row])
    const completion = model.tokenizer.encode('The cat<|im_end|>\n')
    const [logps] = await completionLogps([{ prompt: chatPrompt(model, 'Hi'), completion }])
    const log = logOf(await optimise({ loss: 'rpo', rpo_alpha: 0.5, max_steps: 1 }, data))
    expect(log[0]!.loss).toBeCloseTo(ln2 - (0.5 * sum(logps!)) / completion.length, 5)
  })

  it('is ln 2 from the bare base too, whose adapter changes nothing yet', async () => {
    const run = await runStage(dpo, { model: policy.model, data: rows }, { ...quick, max_steps: 2 })
    expect(logOf(run)[0]!.loss).toBeCloseTo(ln2, 5)
  })
})

describe('another reference', () => {
  const row = { prompt: 'Hi', chosen: 'The cat', rejected: 'a' }
  const answers = [row.chosen, row.rejected].map((text) => `${text}<|im_end|>\n`)
  const completions = () =>
    answers.map((text) => ({ prompt: chatPrompt(model, 'Hi'), completion: model.tokenizer.encode(text) }))

  async function firstRewards(inputs: Readonly<Record<string, string>>, params: object) {
    const data = temporaryFile('pairs.jsonl', [row])
    const run = await runStage(dpo, { ...inputs, data }, { ...quick, max_steps: 1, ...params })
    const [log] = logOf(run)
    return [log!['rewards/chosen']!, log!['rewards/rejected']!]
  }

  it('is the bare base where it is asked for', async () => {
    const own = (await completionLogps(completions())).map(sum)
    const base = (await completionLogps(completions(), 1, false)).map(sum)
    const rewards = await firstRewards(policy, { reference: 'base' })
    rewards.forEach((reward, side) => {
      expect(reward).toBeCloseTo(0.1 * (own[side]! - base[side]!), 5)
      expect(Math.abs(reward)).toBeGreaterThan(0.01)
    })
  })

  it('is the given adapter, also where the policy starts from none', async () => {
    const own = (await completionLogps(completions())).map(sum)
    const base = (await completionLogps(completions(), 1, false)).map(sum)
    const rewards = await firstRewards({ model: policy.model, reference: policy.adapter }, {})
    rewards.forEach((reward, side) => {
      expect(reward).toBeCloseTo(0.1 * (base[side]! - own[side]!), 5)
    })
  })
})

describe('training', () => {
  it('widens the margin, with the reference unmoved', async () => {
    const log = logOf(await optimise({ epochs: 5, batch_size: 8, shuffle: false }))
    const [first, last] = [log[0]!, log.at(-1)!]
    expect(last['rewards/margins']!).toBeGreaterThan(0.01)
    expect(last['rewards/accuracies']!).toBeGreaterThan(0.9)
    expect(last.loss!).toBeLessThan(first.loss!)
    for (const side of ['chosen', 'rejected']) {
      // reward = beta * (policy - reference), and the reference is what the policy was at the start.
      const drift = last[`logps/${side}`]! - first[`logps/${side}`]!
      expect(last[`rewards/${side}`]! - first[`rewards/${side}`]!).toBeCloseTo(0.1 * drift, 4)
    }
  })

  it('reads stored tokens where there are any, whatever the text says', async () => {
    const [chosen, rejected] = [
      [40, 41, 42, 2],
      [50, 51, 2],
    ]
    const row = { prompt: 'Hi', chosen: 'other', rejected: 'texts' }
    const stored = { ...row, chosen_token_ids: chosen, rejected_token_ids: rejected }
    const once = async (each: object) =>
      logOf(await optimise({ max_steps: 1 }, temporaryFile('pairs.jsonl', [each])))[0]!
    const prompt = chatPrompt(model, 'Hi')
    const [ours, theirs] = await completionLogps([
      { prompt, completion: chosen! },
      { prompt, completion: rejected! },
    ])
    const log = await once(stored)
    expect(log['logps/chosen']! / sum(ours!)).toBeCloseTo(1, 6)
    expect(log['logps/rejected']! / sum(theirs!)).toBeCloseTo(1, 6)
    expect(log.tokens).toBe(2 * prompt.length + 7)
    // One side alone is of no use: then both are texts.
    const half = await once({ ...row, chosen_token_ids: chosen })
    expect(half['logps/chosen']).toBe((await once(row))['logps/chosen'])
  })

  it('takes prompts of several turns', async () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'Hi' },
    ]
    const data = temporaryFile('pairs.jsonl', [{ prompt: messages, chosen: 'a', rejected: 'b' }])
    const prompt = model.tokenizer.encode(
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    )
    const [logps] = await completionLogps([{ prompt, completion: model.tokenizer.encode('a<|im_end|>\n') }])
    expect(logOf(await optimise({ max_steps: 1 }, data))[0]!['logps/chosen']! / sum(logps!)).toBeCloseTo(1, 6)
  })
})

describe('settings and rows that do not work', () => {
  it("warns where answers merge with their prompt's last token", async () => {
    const data = temporaryFile('pairs.jsonl', [
      { prompt: 'Hi', chosen: '\nHello', rejected: 'No' },
      { prompt: 'Hi', chosen: 'Hello', rejected: 'No' },
    ])
    const run = await runStage(dpo, { ...policy, model: mergingModel(), data }, quick)
    expect(run.warnings).toEqual([
      "1 pairs whose answers merge with the prompt's last tokens: those are trained too",
    ])
  })

  it('exo_pair without label smoothing', async () => {
    expect(await failureOf(optimise({ loss: 'exo_pair' }))).toEqual({
      code: 'invalid-parameter',
      message: 'the loss exo_pair needs `label_smoothing` above 0: it contains its logarithm',
      hint: '1e-3 is usual',
    })
  })

  it.each([
    [{ loss: ['sigmoid', 'sft'], loss_weights: [1] }, '`loss_weights` has 1 numbers for 2 losses'],
    [
      { loss: ['ipo', 'bco_pair'], f_divergence_type: 'forward_kl' },
      'the loss bco_pair has no form for `f_divergence_type: forward_kl`',
    ],
    [
      { loss: 'aot', use_weighting: true },
      'the loss aot has no form for `use_weighting`: it is no sum over pairs',
    ],
    [
      { loss: 'rpo', use_weighting: true },
      'the loss sft has no form for `use_weighting`: it is no sum over pairs',
    ],
  ])('%o', async (params, message) => {
    expect(await failureOf(optimise(params))).toMatchObject({ code: 'invalid-parameter', message })
  })

  it('two references', async () => {
    const inputs = { ...policy, data: rows, reference: policy.adapter }
    const run = runStage(dpo, inputs, { ...quick, reference: 'base' })
    expect(await failureOf(run)).toMatchObject({ code: 'invalid-parameter' })
  })

  it('pairs that prefer nothing are dropped and counted', async () => {
    const same = { prompt: 'Hi', chosen: 'Hello', rejected: 'Hello' }
    const data = temporaryFile('pairs.jsonl', [same, { ...same, rejected: 'No' }])
    const run = await optimise({ max_steps: 1 }, data)
    expect(run.warnings).toEqual(['1 pairs dropped: chosen and rejected are the same'])
    expect(logOf(run)[0]!.tokens).toBe(
      2 * chatPrompt(model, 'Hi').length + answerTokens('Hello') + answerTokens('No'),
    )
    const nothing = temporaryFile('same.jsonl', [same])
    expect(await failureOf(optimise({}, nothing))).toMatchObject({ code: 'no-preference' })
  })

  it('answers of which truncation leaves nothing', async () => {
    expect(await failureOf(optimise({ max_length: 10 }))).toMatchObject({ code: 'no-rows' })
  })
})
