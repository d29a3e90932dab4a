/** @file Eight ways in which a self-rewarding trainer once trained something else than it said, or nothing at all. */
import { beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type Model } from '../../lm/model/model.ts'
import { loadTrainerState } from '../../lm/training/checkpoint.ts'
import dpo from '../../stages/dpo/index.ts'
import grpo from '../../stages/grpo/index.ts'
import gspo from '../../stages/gspo/index.ts'
import prepare from '../../stages/prepare/index.ts'
import preparePreferences from '../../stages/prepare-preferences/index.ts'
import sft from '../../stages/sft/index.ts'
import { startOnnxBackend } from '../lm/start-onnx-backend.ts'
import { failureOf, runStage, temporaryFile, temporaryFolder } from './run-stage.ts'
import {
  adapterBytes,
  changedModel,
  chatPrompt,
  completionLogps,
  logOf,
  parametersOf,
  policy,
  quick,
  sum,
} from './training-runs.ts'

const question = 'What is 12 plus 5?'
const instruction = { instruction: question, output: '12+5=17. Answer: 17.' }
const instructions = () => ({
  rows: temporaryFile('instructions.jsonl', [
    instruction,
    { instruction: 'What is 8 plus 8?', output: 'Answer: 16.' },
    { instruction: 'Hi', output: 'The cat sat on the mat.' },
  ]),
})
const pair = { prompt: question, chosen: '12+5=17. Answer: 17.', rejected: 'Answer: 27' }
const pairs = () => temporaryFile('pairs.jsonl', [pair, { ...pair, prompt: 'What is 8 plus 8?' }])
const scored = [
  { prompt: question, response: 'Answer: 17.', reward: 5, group: 0 },
  { prompt: question, response: 'I do not know.', reward: 1, group: 0 },
]
const rewards = () => temporaryFile('rewards.jsonl', scored)
const groups = () =>
  temporaryFile('groups.jsonl', [
    { prompt: question, responses: ['Answer: 17.', 'I do not know.'], weights: [0.9, 0.1], rewards: [5, 1] },
  ])

const stages = [
  ['sft', sft, instructions],
  ['dpo', dpo, pairs],
  ['grpo', grpo, rewards],
  ['gspo', gspo, groups],
] as const

let model: Model
beforeAll(async () => {
  await startOnnxBackend()
  model = loadModel(policy.model)
})

describe('1: an adapter that was loaded frozen trained nothing, silently', () => {
  it.each(stages)('%s moves a given adapter', async (_, stage, data) => {
    const run = await runStage(stage, { ...policy, data: data() }, { ...quick, max_steps: 1 })
    const [before, after] = [parametersOf(policy.adapter), parametersOf(run.outputs.adapter!)]
    expect(after).toHaveLength(before.length)
    const moved = after.filter((value, index) => value !== before[index]).length
    expect(moved / before.length).toBeGreaterThan(0.9)
    expect(logOf(run)[0]!.grad_norm).toBeGreaterThan(0)
  })

  it.each(stages)('%s fails where its adapter stays as it was', async (_, stage, data) => {
    const run = runStage(stage, { ...policy, data: data() }, { ...quick, max_steps: 1, warmup: 1 })
    expect(await failureOf(run)).toMatchObject({
      code: 'nothing-moved',
      hint: expect.stringContaining('warm-up'),
    })
  })

  it.each([
    ['grpo', grpo, rewards],
    ['gspo', gspo, groups],
  ] as const)('%s fails where no parameter received a gradient', async (_, stage, data) => {
    // Every completion is cut, and cut ones do not count.
    const max_length = chatPrompt(model, question).length + 2
    const params = { ...quick, max_length, mask_truncated: true }
    expect(await failureOf(runStage(stage, { ...policy, data: data() }, params))).toMatchObject({
      code: 'no-gradient',
      hint: expect.stringContaining('signal'),
    })
  })
})

describe('2: fewer micro-batches than the accumulation made no step at all', () => {
  it.each(stages)('%s takes a step from a short accumulation in every epoch', async (_, stage, data) => {
    const run = await runStage(
      stage,
      { ...policy, data: data() },
      { ...quick, batch_size: 1, gradient_accumulation_steps: 64, epochs: 2 },
    )
    expect(logOf(run).map(({ step, epoch }) => [step, epoch])).toEqual([
      [1, 1],
      [2, 2],
    ])
  })

  it('carries no gradient into the next epoch: a short accumulation is a batch of its rows', async () => {
    const course = { ...quick, epochs: 3, shuffle: false, learning_rate: 1e-4 }
    const inputs = { ...policy, data: instructions() }
    const short = await runStage(sft, inputs, { ...course, batch_size: 1, gradient_accumulation_steps: 64 })
    const whole = await runStage(sft, inputs, { ...course, batch_size: 3 })
    logOf(short).forEach((row, index) => {
      expect(row.loss).toBeCloseTo(logOf(whole)[index]!.loss!, 5)
      expect(row.grad_norm! / logOf(whole)[index]!.grad_norm!).toBeCloseTo(1, 5)
    })
  })

  it.each(stages)('%s fails where there is nothing to take a step on', async (_, stage, data) => {
    const run = runStage(stage, { ...policy, data: data() }, { ...quick, max_length: 8 })
    expect(await failureOf(run)).toEqual({
      code: 'no-rows',
      message: 'no row has an answer within max_length 8',
      hint: 'raise max_length',
    })
  })
})

describe('3: the loss counted the prompt, and no end token where it is the padding token', () => {
  const expectedLoss = async () => {
    const completion = model.tokenizer.encode(`${instruction.output}<|im_end|>\n`)
    const [logps] = await completionLogps([{ prompt: chatPrompt(model, question), completion }])
    return -sum(logps!) / completion.length
  }
  const firstLoss = async (folder: string) => {
    const data = { rows: temporaryFile('rows.jsonl', [instruction, { ...instruction, input: '' }]) }
    const run = await runStage(sft, { ...policy, model: folder, data }, { ...quick, max_steps: 1 })
    return logOf(run)[0]!.loss!
  }

  it('is the mean over the answer and its end', async () => {
    expect(await firstLoss(policy.model)).toBeCloseTo(await expectedLoss(), 5)
  })

  it('is the same where padding and end token are one', async () => {
    const padded = changedModel('tokenizer_config.json', (config) => ({ ...config, pad_token: '<|im_end|>' }))
    expect(loadModel(padded).tokenizer.padId).toBe(model.tokenizer.endOfTurnId)
    expect(await firstLoss(padded)).toBe(await firstLoss(policy.model))
  })
})

describe('4: preferences and rewards went without chat template and end token', () => {
  it('dpo scores both answers in the template, ended', async () => {
    const file = temporaryFile('pairs.jsonl', [pair])
    const run = await runStage(dpo, { ...policy, data: file }, { ...quick, max_steps: 1 })
    const prompt = chatPrompt(model, question)
    const [chosen, rejected] = await completionLogps(
      [pair.chosen, pair.rejected].map((answer) => ({
        prompt,
        completion: model.tokenizer.encode(`${answer}<|im_end|>\n`),
      })),
    )
    expect(logOf(run)[0]!['logps/chosen']! / sum(chosen!)).toBeCloseTo(1, 6)
    expect(logOf(run)[0]!['logps/rejected']! / sum(rejected!)).toBeCloseTo(1, 6)
  })

  it('grpo and gspo score completions in the template, ended by the token that ends generation', async () => {
    const prompt = chatPrompt(model, question)
    const [good, bad] = await completionLogps(
      scored.map(({ response }) => ({
        prompt,
        completion: model.tokenizer.encode(`${response}<|im_end|>`),
      })),
    )
    const plain = { ...quick, max_steps: 1, objective: 'reinforce_baseline' }
    const reinforced = await runStage(grpo, { ...policy, data: rewards() }, plain)
    // Rewards 5 and 1 about their mean 3.
    expect(logOf(reinforced)[0]!.loss! / (-(2 * sum(good!) - 2 * sum(bad!)) / 2)).toBeCloseTo(1, 5)
    const weighted = await runStage(
      gspo,
      { ...policy, data: groups() },
      { ...quick, max_steps: 1, objective: 'reward_weighted', weight_temperature: 4 / Math.log(9) },
    )
    expect(logOf(weighted)[0]!.loss! / -(0.9 * sum(good!) + 0.1 * sum(bad!))).toBeCloseTo(1, 5)
  })
})

describe('5: prompt and answer were truncated apart from each other', () => {
  it('cuts the sequence as a whole, at its end', async () => {
    const prompt = chatPrompt(model, question)
    const kept = [pair.chosen, pair.rejected].map((answer) => ({
      prompt,
      completion: model.tokenizer.encode(`${answer}<|im_end|>\n`).slice(0, 5),
    }))
    const [chosen, rejected] = await completionLogps(kept)
    const run = await runStage(
      dpo,
      { ...policy, data: temporaryFile('pairs.jsonl', [pair]) },
      { ...quick, max_steps: 1, max_length: prompt.length + 5 },
    )
    expect(logOf(run)[0]!['logps/chosen']! / sum(chosen!)).toBeCloseTo(1, 6)
    expect(logOf(run)[0]!['logps/rejected']! / sum(rejected!)).toBeCloseTo(1, 6)
  })

  it('drops a row whose prompt fills it all, and says so', async () => {
    const long = { ...pair, prompt: `${question} `.repeat(6) }
    const run = await runStage(
      dpo,
      { ...policy, data: temporaryFile('pairs.jsonl', [long, pair]) },
      { ...quick, max_length: 64 },
    )
    expect(run.warnings).toEqual(['1 pairs dropped: max_length 64 leaves nothing of an answer'])
  })
})

it("6: OpenOrca's system prompt was dropped", async () => {
  const row = { id: 'flan.1', system_prompt: 'Be brief.', question: '2+3?', response: '5' }
  const run = await runStage(prepare, { data: temporaryFile('orca.jsonl', [row]) })
  expect(run.rows('instructions')[0].messages[0]).toEqual({ role: 'system', content: 'Be brief.' })
})

it('7: PKU pairs could be built by helpfulness only', async () => {
  const row = {
    prompt: 'How?',
    response_0: 'helpful',
    response_1: 'safe',
    is_response_0_safe: false,
    is_response_1_safe: true,
    better_response_id: 0,
    safer_response_id: 1,
  }
  const data = temporaryFile('pku.jsonl', [row])
  for (const [preference, chosen] of [
    ['better', 'helpful'],
    ['safer', 'safe'],
  ]) {
    const run = await runStage(preparePreferences, { data }, { preference })
    expect(run.rows('preferences')[0].chosen).toBe(chosen)
  }
})

describe('8: gradients were not clipped, and an interrupted run began anew', () => {
  it.each(stages)('%s clips to max_grad_norm, and says the norm before', async (_, stage, data) => {
    const checkpoint = temporaryFolder()
    const controller = new AbortController()
    const params = { ...quick, epochs: 2, max_grad_norm: 1e-3 }
    const run = runStage(stage, { ...policy, data: data() }, params, {
      checkpoint,
      signal: controller.signal,
      progress: ({ note }) => note === undefined && controller.abort(),
    })
    await expect(run).rejects.toMatchObject({ name: 'AbortError' })
    const state = loadTrainerState(checkpoint)!
    const norm = state.log[0]!.grad_norm as number
    expect(norm).toBeGreaterThan(1e-2)
    // The first moment after one update is a tenth of the clipped gradient.
    const clipped = 10 * Math.sqrt(sum([...state.firstMoment].map((each) => each ** 2)))
    expect(clipped / ((1e-3 * norm) / (norm + 1e-6))).toBeCloseTo(1, 5)
  })

  it('goes on from the checkpoint, bit for bit', async () => {
    const inputs = { ...policy, data: instructions() }
    const params = { ...quick, epochs: 4 }
    const whole = await runStage(sft, inputs, params)
    const checkpoint = temporaryFolder()
    const controller = new AbortController()
    const progress = ({ step }: { step: number }) => step === 2 && controller.abort()
    await expect(
      runStage(sft, inputs, params, { checkpoint, signal: controller.signal, progress }),
    ).rejects.toThrow()
    const resumed = await runStage(sft, inputs, params, { checkpoint })
    expect(resumed.logs).toContain('resuming after step 2 of 4')
    expect(adapterBytes(resumed.outputs.adapter!).equals(adapterBytes(whole.outputs.adapter!))).toBe(true)
  })
})
