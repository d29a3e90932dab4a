/**
 * @file What holds for every training stage: equal settings give equal bits, an interrupted run goes on bit for bit
 * from wherever it stopped, and micro-batches add up to the batch that they are parts of.
 */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import dpo from '../../stages/dpo/index.ts'
import grpo from '../../stages/grpo/index.ts'
import gspo from '../../stages/gspo/index.ts'
import sft from '../../stages/sft/index.ts'
import { largestDifference, readReferenceRows } from '../lm/reference.ts'
import { runStage, type StageRun, temporaryFile, temporaryFolder } from './run-stage.ts'
import { adapterBytes, logOf, parametersOf, policy, quick } from './training-runs.ts'

interface ScoredRow {
  readonly prompt: unknown
  readonly response: string
  readonly reward: number
  readonly group: number
  readonly token_ids: number[]
  readonly logps: number[]
  readonly finished: boolean
}

/** The scored completions by prompt, as the gspo stage reads them. */
function rewardGroups(): object[] {
  const rows = readReferenceRows<ScoredRow>('training/grpo-rows.jsonl')
  return [0, 1, 2, 3].map((group) => {
    const members = rows.filter((row) => row.group === group)
    return {
      prompt: members[0]!.prompt,
      responses: members.map(({ response }) => response),
      weights: members.map(() => 1 / members.length),
      rewards: members.map(({ reward }) => reward),
      token_ids: members.map(({ token_ids }) => token_ids),
      logps: members.map(({ logps }) => logps),
      finished: members.map(({ finished }) => finished),
    }
  })
}

const sftRows = readReferenceRows<object>('training/sft-rows.jsonl').slice(0, 11)
const heldOutRows = readReferenceRows<object>('training/sft-rows.jsonl').slice(11)
const dpoRows = readReferenceRows<object>('training/dpo-rows.jsonl')
const grpoRows = readReferenceRows<object>('training/grpo-rows.jsonl')

interface Course {
  readonly stage: Parameters<typeof runStage>[0]
  readonly data: () => string | Record<string, string>
  readonly validation?: () => string
  /** Twelve updates, over several epochs that each end in a shorter accumulation of a smaller batch. */
  readonly params: Readonly<Record<string, unknown>>
}

/** Eleven rows: six batches of two rows, the last of one, in twos: three updates an epoch. */
const byTwos = { epochs: 4, batch_size: 2, gradient_accumulation_steps: 2 }
const wide = { epsilon_low: 0.5, epsilon_high: 0.5 }
const courses: Readonly<Record<string, Course>> = {
  sft: {
    stage: sft,
    data: () => ({ rows: temporaryFile('rows.jsonl', sftRows) }),
    params: byTwos,
  },
  'sft, validated': {
    stage: sft,
    data: () => ({ rows: temporaryFile('rows.jsonl', sftRows) }),
    validation: () => temporaryFile('held-out.jsonl', heldOutRows),
    // The rate is far too great: an early evaluation is the best, and patience runs out long before the epochs.
    params: {
      ...byTwos,
      epochs: 9,
      learning_rate: 0.1,
      lr_scheduler: 'constant',
      eval_steps: 2,
      keep_best: true,
      early_stopping_patience: 3,
    },
  },
  'sft, packed, with noise': {
    stage: sft,
    data: () => ({ rows: temporaryFile('rows.jsonl', sftRows) }),
    // Five sequences of up to 110 tokens: three batches, two updates an epoch.
    params: { ...byTwos, epochs: 6, max_length: 110, packing: true, neftune_noise_alpha: 5 },
  },
  dpo: {
    stage: dpo,
    data: () => temporaryFile('pairs.jsonl', [...dpoRows, ...dpoRows.slice(0, 3)]),
    params: byTwos,
  },
  grpo: {
    stage: grpo,
    data: () => temporaryFile('rows.jsonl', grpoRows.slice(0, 11)),
    params: { ...wide, ...byTwos, beta: 0.1 },
  },
  gspo: {
    stage: gspo,
    data: () => temporaryFile('groups.jsonl', rewardGroups().slice(0, 3)),
    params: { ...wide, epochs: 6, batch_size: 5, gradient_accumulation_steps: 2 },
  },
  'gspo, reward_weighted': {
    stage: gspo,
    data: () => temporaryFile('groups.jsonl', rewardGroups().slice(0, 3)),
    params: {
      objective: 'reward_weighted',
      epochs: 6,
      batch_size: 1,
      gradient_accumulation_steps: 2,
      beta: 0.1,
    },
  },
}

function runCourse(
  { stage, data, validation, params }: Course,
  more: Readonly<Record<string, unknown>> = {},
  course?: Parameters<typeof runStage>[3],
): Promise<StageRun> {
  const inputs = { ...policy, data: data(), ...(validation && { validation: validation() }) }
  return runStage(stage, inputs, { ...quick, warmup: 2, ...params, ...more }, course)
}

describe.each(Object.entries(courses))('%s', (_, course) => {
  it('rule 13: goes on bit for bit after an interruption at every single step', async () => {
    const whole = await runCourse(course)
    expect(logOf(whole).filter((row) => 'loss' in row)).toHaveLength(12)
    const checkpoint = temporaryFolder()
    // Each run takes one step and is interrupted; the thirteenth finds nothing left to do.
    for (let last = 1; last <= 12; last++) {
      const controller = new AbortController()
      const run = runCourse(
        course,
        {},
        {
          checkpoint,
          signal: controller.signal,
          progress: ({ step, note }) => note === undefined && step === last && controller.abort(),
        },
      )
      await expect(run).rejects.toMatchObject({ name: 'AbortError' })
    }
    const resumed = await runCourse(course, {}, { checkpoint })
    expect(resumed.logs).toContainEqual(expect.stringMatching(/^resuming after step 12 of /))
    expect(adapterBytes(resumed.outputs.adapter!).equals(adapterBytes(whole.outputs.adapter!))).toBe(true)
    expect(resumed.text('log')).toBe(whole.text('log'))
  })

  it('gives the same bits for the same seed, and others for another', async () => {
    const steps = { max_steps: 4 }
    const [first, again, other] = [
      await runCourse(course, steps),
      await runCourse(course, steps),
      await runCourse(course, { ...steps, seed: 1 }),
    ]
    for (const file of ['adapter_model.safetensors', 'adapter_config.json']) {
      const bytes = ({ outputs }: StageRun) => readFileSync(`${outputs.adapter}/${file}`)
      expect(bytes(again).equals(bytes(first))).toBe(true)
    }
    expect(again.text('log')).toBe(first.text('log'))
    expect(adapterBytes(other.outputs.adapter!).equals(adapterBytes(first.outputs.adapter!))).toBe(false)
  })
})

it('the order of the rows does not depend on the number of threads', async () => {
  const [one, two] = [
    await runCourse(courses.sft!, { max_steps: 6 }, { threads: 1 }),
    await runCourse(courses.sft!, { max_steps: 6 }, { threads: 2 }),
  ].map(logOf)
  expect(new Set(one!.map(({ tokens }) => tokens)).size).toBeGreaterThan(3)
  expect(two!.map(({ tokens }) => tokens)).toEqual(one!.map(({ tokens }) => tokens))
})

describe('accumulation', () => {
  const small = { shuffle: false, epochs: 2, learning_rate: 1e-4 }
  // The last update of an epoch holds fewer rows than the others, and its last micro-batch fewer still.
  it.each<[string, Course, string[]]>([
    ['sft', { ...courses.sft!, params: small }, ['loss', 'grad_norm', 'mean_token_accuracy']],
    [
      'sft with emphasised tokens',
      { ...courses.sft!, params: { ...small, emphasis: { pattern: 'Answer: (.*)', weight: 3 } } },
      ['loss', 'grad_norm'],
    ],
    [
      'dpo',
      {
        ...courses.dpo!,
        data: () => temporaryFile('pairs.jsonl', [...dpoRows, ...dpoRows.slice(0, 3)]),
        params: small,
      },
      ['loss', 'grad_norm', 'logps/chosen'],
    ],
    [
      'dpo, rpo',
      {
        ...courses.dpo!,
        data: () => temporaryFile('pairs.jsonl', [...dpoRows, ...dpoRows.slice(0, 3)]),
        params: { ...small, loss: 'rpo' },
      },
      ['loss', 'grad_norm'],
    ],
    [
      'grpo, dapo',
      {
        ...courses.grpo!,
        data: () => temporaryFile('rows.jsonl', grpoRows.slice(0, 11)),
        params: { ...small, mask_truncated: true, beta: 0.1 },
      },
      ['loss', 'grad_norm'],
    ],
    [
      'grpo, grpo',
      {
        ...courses.grpo!,
        data: () => temporaryFile('rows.jsonl', grpoRows.slice(0, 11)),
        params: { ...small, loss_type: 'grpo' },
      },
      ['loss', 'grad_norm'],
    ],
    [
      'grpo, reinforce_baseline',
      {
        ...courses.grpo!,
        data: () => temporaryFile('rows.jsonl', grpoRows.slice(0, 11)),
        params: { ...small, objective: 'reinforce_baseline' },
      },
      ['loss', 'grad_norm'],
    ],
    ['gspo', { ...courses.gspo!, params: { ...small, ...wide } }, ['loss', 'grad_norm']],
    [
      'gspo, reward_weighted',
      {
        ...courses.gspo!,
        data: () => {
          const groups = rewardGroups()
          return temporaryFile('groups.jsonl', [...groups, ...groups, ...groups.slice(0, 3)])
        },
        params: { ...small, objective: 'reward_weighted', beta: 0.1 },
      },
      ['loss', 'grad_norm'],
    ],
  ])('%s: k micro-batches equal one k-times larger batch', async (_, course, columns) => {
    const one = await runCourse(course, { batch_size: 8 })
    expect(logOf(one)).toHaveLength(4)
    const many = await runCourse(course, { batch_size: 2, gradient_accumulation_steps: 4 })
    logOf(many).forEach((row, index) => {
      for (const column of columns) {
        const expected = logOf(one)[index]![column]!
        // Losses of policy gradients cross zero: they are compared with 1 there.
        const scale = Math.max(Math.abs(expected), 1)
        expect(Math.abs(row[column]! - expected) / scale, column).toBeLessThan(1e-6)
      }
    })
    const [ours, theirs] = [many, one].map(({ outputs }) => parametersOf(outputs.adapter!))
    expect(largestDifference(ours!, theirs!)).toBeLessThan(1e-6)
  })
})
