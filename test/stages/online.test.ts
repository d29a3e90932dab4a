/** @file Online rollouts of grpo and gspo: what they take, what they write, and that they go on where they stopped. */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadAdapter } from '../../lm/model/adapter.ts'
import { LivePolicy } from '../../lm/model/live-policy.ts'
import { loadModel } from '../../lm/model/model.ts'
import { tf } from '../../lm/tensor/tf.ts'
import { encodePrompt } from '../../lm/text/conversation.ts'
import { promptMessages } from '../../lm/text/messages.ts'
import { enteringPolicy } from '../../lm/training/train-adapter.ts'
import generate from '../../stages/generate/index.ts'
import grpo from '../../stages/grpo/index.ts'
import { policySampler } from '../../stages/grpo/online/sampler.ts'
import gspo from '../../stages/gspo/index.ts'
import judgeStage from '../../stages/judge/index.ts'
import { answerText } from '../../stages/sampling/local-writer.ts'
import { referencePath } from '../lm/reference.ts'
import { failureOf, runStage, type StageRun, temporaryFile, temporaryFolder } from './run-stage.ts'
import { adapterBytes, logOf, policy, quick } from './training-runs.ts'

const questions = [
  ['What is 12 minus 5?', '7'],
  ['What is 8 plus 8?', '16'],
  ['Hi', 'Hello'],
  ['Add 3 and 4.', '7'],
].map(([prompt, answer]) => ({ prompt, answer }))

/** A random model is never right: what it is rewarded for is writing few different letters. */
const brevity = 'export default (batch) => batch.map(({ completion }) => -new Set(completion).size)'

const online = {
  ...quick,
  rollouts: 'online',
  batch_size: 4,
  num_generations: 4,
  max_completion_length: 10,
  epsilon_low: 0.5,
  epsilon_high: 0.5,
}

type Stage = typeof grpo | typeof gspo

function average(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length
}

function train(
  params: Readonly<Record<string, unknown>> = {},
  {
    stage = grpo,
    inputs = {},
    ...course
  }: { stage?: Stage; inputs?: Readonly<Record<string, unknown>> } & Parameters<typeof runStage>[3] = {},
): Promise<StageRun> {
  const given = {
    ...policy,
    prompts: temporaryFile('questions.jsonl', questions),
    reward: { brevity: temporaryFile('brevity.js', brevity) },
    ...inputs,
  }
  const present = Object.entries(given).filter(([, path]) => path !== undefined)
  return runStage(
    stage,
    Object.fromEntries(present) as Record<string, string>,
    { ...online, ...params },
    course,
  )
}

describe('an online run', () => {
  it('logs rewards and lengths where it sampled, and keeps every completion', async () => {
    const params = {
      steps_per_generation: 2,
      num_iterations: 2,
      epochs: 1,
      rewards: { ended: { rule: 'matches', pattern: '^.{1,40}$' }, correct: { rule: 'exact' } },
      reward_weights: { brevity: 0.1 },
    }
    const run = await train(params)
    const log = logOf(run)
    expect(log.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    // Two prompts of four completions each, learned from in two parts, twice.
    expect(log.map(({ reward }) => reward !== undefined)).toEqual([
      true,
      false,
      false,
      false,
      true,
      false,
      false,
      false,
    ])
    const rows = run.rows('rollouts')
    expect(rows.map(({ step }) => step)).toEqual([...Array(8).fill(1), ...Array(8).fill(5)])
    const first = rows.slice(0, 8)
    for (const name of ['brevity', 'ended', 'correct'])
      expect(log[0]![`rewards/${name}/mean`]).toBeCloseTo(
        average(first.map(({ rewards }) => rewards[name])),
        12,
      )
    for (const { rewards, reward, completion } of rows) {
      expect(rewards.brevity).toBe(-new Set(completion).size)
      expect(reward).toBeCloseTo(0.1 * rewards.brevity + rewards.ended + rewards.correct, 12)
    }
    expect(log[0]!.reward).toBeCloseTo(average(first.map(({ reward }) => reward)), 12)
    expect(log[0]!['completions/clipped_ratio']).toBe(
      average(first.map(({ finished }) => (finished ? 0 : 1))),
    )
    expect(log[0]!['completions/max_length']).toBeLessThanOrEqual(10)
    // Advantages compare within a prompt.
    for (const group of [rows.slice(0, 4), rows.slice(4, 8)])
      expect(average(group.map(({ advantage }) => advantage))).toBeCloseTo(0, 9)
    expect(new Set(first.map(({ prompt }) => prompt)).size).toBe(2)
  })

  it('learns what it is rewarded for', async () => {
    const log = logOf(await train({ epochs: 20, batch_size: 16, num_generations: 8, learning_rate: 1e-2 }))
    const rewards = log.map(({ reward }) => reward!)
    expect(average(rewards.slice(-8))).toBeGreaterThan(average(rewards.slice(0, 8)) + 1)
  })

  it('makes the shipped model right more often: its answers are checked by a rule', async () => {
    const shipped = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))
    const inputs = { model: shipped('checkpoints/tiny-base'), prompts: shipped('data/validation.jsonl') }
    const run = await runStage(grpo, inputs, {
      rollouts: 'online',
      rewards: { correct: { rule: 'exact' } },
      batch_size: 32,
      num_generations: 4,
      max_completion_length: 40,
      learning_rate: 3e-3,
      warmup: 0,
      max_steps: 16,
    })
    const rewards = logOf(run).map(({ reward }) => reward!)
    expect(average(rewards.slice(-8))).toBeGreaterThan(average(rewards.slice(0, 8)) + 0.1)
  }, 180_000)

  it('says so early where rewards never differ', async () => {
    const late =
      'let scored = 0\nexport default (batch) => batch.map((_, index) => (scored++ < 12 ? 1 : index))'
    const run = await train({ epochs: 1 }, { inputs: { reward: { late: temporaryFile('late.js', late) } } })
    expect(run.warnings).toEqual([expect.stringContaining("of each prompt's completions are all equal")])
    expect(logOf(run).map((row) => row.frac_reward_zero_std)).toEqual([1, 1, 1, 0])
  })

  it('samples anew from the policy that has moved', async () => {
    const completions = async (learning_rate: number) => {
      const run = await train({ epochs: 2, learning_rate })
      return run.rows('rollouts').map(({ completion }) => completion)
    }
    // Both draw alike.
    const [still, moving] = [await completions(1e-9), await completions(5e-2)]
    expect(moving.slice(0, 4)).toEqual(still.slice(0, 4))
    expect(moving.slice(4)).not.toEqual(still.slice(4))
  })

  it('takes the scores of the judge stage, by the entering policy or by another adapter', async () => {
    const judge = { rubric: 'Question: {question} Reply: {reply}', opening: 'Score:', score_from: 'logits' }
    const run = (judge_adapter?: string) =>
      train({ judge, max_steps: 2 }, { inputs: { reward: {}, judge_adapter } })
    const own = (await run()).rows('rollouts')
    const responses = temporaryFile(
      'responses.jsonl',
      own.map(({ prompt, completion: text }) => ({
        prompt,
        responses: [{ text, token_ids: [], logps: [], finished: true }],
      })),
    )
    const stage = await runStage(judgeStage, { ...policy, responses }, judge)
    const scores = stage.rows('full').map(({ candidates }) => candidates[0].score)
    own.forEach(({ rewards }, index) => {
      expect(rewards.judge).toBeCloseTo(scores[index], 4)
    })
    const other = (await run(referencePath('adapters/qwen2-rslora'))).rows('rollouts')
    expect(other[0].completion).toBe(own[0].completion)
    expect(Math.abs(other[0].rewards.judge - own[0].rewards.judge)).toBeGreaterThan(1e-3)
  })

  it('with top_k 1, says what the generate stage says greedily', async () => {
    const prompts = temporaryFile('questions.jsonl', questions)
    const settings = { candidates: 1, temperature: 0, max_new_tokens: 10, batch_size: 64 }
    const answers = await runStage(generate, { ...policy, prompts }, settings)
    const model = loadModel(policy.model)
    const entering = enteringPolicy(model, loadAdapter(policy.adapter, model.config))
    const live = new LivePolicy(entering)
    const drawing = {
      temperature: 1,
      top_p: 1,
      top_k: 1,
      max_completion_length: 10,
      max_length: 128,
      seed: 0,
    }
    const sampler = policySampler(live, model.tokenizer, drawing)
    const asked = questions.map(({ prompt }) => encodePrompt(model.tokenizer, promptMessages(prompt!)))
    const completions = await sampler.sample(asked, 0, {})
    expect(completions.map((completion) => answerText(model.tokenizer, completion))).toEqual(
      answers.rows('responses').map(({ responses }) => responses[0].text),
    )
    for (const each of [sampler, live]) each.dispose()
    tf.dispose(entering.adapter.tensors)
  })

  it('masks completions that were cut, in the mean over tokens and not in that over sequences', async () => {
    const masked = { mask_truncated: true, max_completion_length: 2, max_steps: 1, loss_type: 'grpo' }
    // Two tokens are too few for this model to end in: nothing counts.
    expect(await failureOf(train(masked))).toMatchObject({ code: 'no-gradient' })
  })
})

const courses: Readonly<Record<string, [Stage, Record<string, unknown>, number[]]>> = {
  // Three generation batches, each of two parts gone through twice: the stop lies in the midst of one three times in four.
  grpo: [
    grpo,
    { steps_per_generation: 2, num_iterations: 2, epochs: 2, max_steps: 12, beta: 0.1, temperature: 0.8 },
    [0, 4, 8],
  ],
  // An epoch has two generation batches of two parts: its first update takes one and a half of them.
  gspo: [
    gspo,
    { steps_per_generation: 2, gradient_accumulation_steps: 3, epochs: 8, max_steps: 12, top_p: 0.9 },
    [0, 2, 4, 6, 8, 10],
  ],
}

describe.each(Object.entries(courses))('%s, resumed', (_, [stage, params, sampledAfter]) => {
  it('rule 13: goes on bit for bit after an interruption at every single step, in training or in sampling', async () => {
    const inputs = {
      prompts: temporaryFile('questions.jsonl', questions),
      reward: { brevity: temporaryFile('brevity.js', brevity) },
    }
    const whole = await train(params, { stage, inputs })
    expect(logOf(whole)).toHaveLength(12)
    const checkpoint = temporaryFolder()
    const stopped: string[] = []
    /** Stops at the first report whose note begins so. */
    const interrupted = async (beginning: string) => {
      const controller = new AbortController()
      const progress = ({ step, note = '' }: { step: number; note?: string }) => {
        if (!note.startsWith(beginning) || controller.signal.aborted) return
        stopped.push(`${note.split(/[:,]/)[0]} ${step}`)
        controller.abort()
      }
      const run = train(params, { stage, inputs, checkpoint, signal: controller.signal, progress })
      await expect(run).rejects.toMatchObject({ name: 'AbortError' })
    }
    // Where an update samples, it is stopped there first, then while it scores, then when it is done.
    for (let last = ''; last !== 'training 12'; last = stopped.at(-1)!) {
      if (last.startsWith('sampling')) await interrupted('old log-probabilities')
      else await interrupted(last.startsWith('old') ? 'training' : '')
    }
    const steps = Array.from({ length: 12 }, (_, index) => `training ${index + 1}`)
    expect(stopped.filter((each) => each.startsWith('training'))).toEqual(steps)
    expect(stopped.filter((each) => each.startsWith('sampling'))).toEqual(
      sampledAfter.map((step) => `sampling ${step}`),
    )
    const resumed = await train(params, { stage, inputs, checkpoint })
    expect(resumed.logs).toContain('resuming after step 12 of 12')
    expect(adapterBytes(resumed.outputs.adapter!).equals(adapterBytes(whole.outputs.adapter!))).toBe(true)
    expect(resumed.text('log')).toBe(whole.text('log'))
    expect(resumed.text('rollouts')).toBe(whole.text('rollouts'))
  })

  it('gives the same bits for the same seed, and others for another', async () => {
    const few = { ...params, max_steps: 3 }
    const [first, again, other] = [
      await train(few, { stage }),
      await train(few, { stage }),
      await train({ ...few, seed: 1 }, { stage }),
    ]
    expect(adapterBytes(again.outputs.adapter!).equals(adapterBytes(first.outputs.adapter!))).toBe(true)
    expect(again.text('rollouts')).toBe(first.text('rollouts'))
    expect(other.text('rollouts')).not.toBe(first.text('rollouts'))
  })
})

describe('what cannot be run is said before the model is loaded', () => {
  const data = () => temporaryFile('rewards.jsonl', [{ prompt: 'Hi', response: 'Ho', reward: 1 }])
  const missing = { model: '/nowhere' }
  it.each<[string, Record<string, unknown>, () => Record<string, unknown>, string]>([
    ['no-prompts', {}, () => ({ prompts: undefined }), '`rollouts: online` needs the input `prompts`'],
    ['data-and-rollouts', {}, () => ({ data: data() }), '`rollouts: online` samples its own completions'],
    [
      'data-and-rollouts',
      { rollouts: 'offline' },
      () => ({ data: data() }),
      '`prompts` is for `rollouts: online`',
    ],
    [
      'no-data',
      { rollouts: 'offline' },
      () => ({ prompts: undefined, reward: {} }),
      'neither `data` nor `prompts` is given',
    ],
    [
      'data-and-rollouts',
      { rollouts: 'offline', rewards: { right: { rule: 'exact' } } },
      () => ({ data: data(), prompts: undefined, reward: {} }),
      '`rewards` is for `rollouts: online`',
    ],
    ['no-reward', {}, () => ({ reward: {} }), 'needs a reward'],
    ['unknown-reward', { reward_weights: { brevty: 1 } }, () => ({}), '`reward_weights` names `brevty`'],
    [
      'same-reward',
      { rewards: { brevity: { rule: 'exact' } } },
      () => ({}),
      'two rewards are called `brevity`',
    ],
    ['invalid-reward', { rewards: { a: { rule: 'matches' } } }, () => ({}), 'reward `a` needs a `pattern`'],
    [
      'uneven-groups',
      { batch_size: 6 },
      () => ({}),
      'a generation batch of 6 completions is no multiple of the 4',
    ],
    [
      'too-few-prompts',
      { batch_size: 32 },
      () => ({}),
      'a generation batch takes 8 prompts, and there are 4',
    ],
    [
      'offline-only',
      { objective: 'reinforce_baseline' },
      () => ({}),
      '`objective: reinforce_baseline` learns from stored',
    ],
    ['offline-only', { drop_zero_std: true }, () => ({}), '`drop_zero_std` is for stored completions'],
    [
      'no-number',
      { rewards: { right: { rule: 'numeric' } } },
      () => ({}),
      'row 3 has no number in its answer `Hello`',
    ],
    [
      'invalid-row',
      { rewards: { right: { rule: 'exact' } } },
      () => ({ prompts: temporaryFile('bare.jsonl', [...questions, { prompt: 'Hi' }]) }),
      '`answer` is missing',
    ],
  ])('%s', async (code, params, inputs, message) => {
    const failure = await failureOf(train(params, { inputs: { ...inputs(), ...missing } }))
    expect(failure).toMatchObject({ code, message: expect.stringContaining(message) })
  })

  it('prompts that leave no room are dropped and named; none left is an error', async () => {
    const prompts = temporaryFile('long.jsonl', [{ prompt: 'word '.repeat(80) }, ...questions])
    const run = await train({ max_steps: 1 }, { inputs: { prompts } })
    expect(run.warnings).toEqual(['1 prompts dropped, 128 tokens or longer: 1'])
    const failure = await failureOf(train({ max_length: 8 }, { inputs: { prompts } }))
    expect(failure).toMatchObject({ code: 'no-rows', hint: 'raise max_length' })
  })
})
