/** @file What the main job executes again after a change, and the files that it leaves. */
import { readdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { FinishedRun } from '../cli/test-project.ts'
import { MainJob, nodes, workflow } from './main-job.ts'

/** 24 judged candidates: more than the sample of 20 takes. */
const job = new MainJob({ limit: 8, candidates: 3 })
let first: FinishedRun

beforeAll(async () => {
  first = await job.run()
}, 180_000)
afterAll(() => job.remove())

/** Runs what was planned, and holds the run to the plan. */
async function planAndRun(...args: string[]) {
  const plan = await job.plan(...args)
  const run = await job.run(...args)
  expect(run).toMatchObject({ code: 0, stderr: '' })
  expect([...plan.keys()].sort()).toEqual(nodes)
  expect(run.executed).toEqual(expect.arrayContaining(planned('run')))
  expect(run.reused).toEqual(expect.arrayContaining(planned('reuse')))
  return { executed: run.executed, planned }

  function planned(decision: string): string[] {
    return nodes.filter((node) => plan.get(node) === decision)
  }
}

/** Does `change` to a file for the time of `check`. */
async function changed(path: string, change: (text: string) => string, check: () => Promise<void>) {
  const before = job.read(path)
  job.write(path, change(before))
  try {
    await check()
  } finally {
    job.write(path, before)
  }
}

describe('the first run', () => {
  test('executes every node', () => {
    expect(first).toMatchObject({ code: 0, stderr: '', executed: nodes, reused: [] })
    expect(first.events.at(-1)).toMatchObject({
      type: 'run-finished',
      ok: true,
      nodes: { executed: 12, reused: 0, failed: 0, skipped: 0 },
    })
  })

  test('leaves every file under the name that users of the original know', () => {
    expect(readdirSync(join(job.folder, 'data')).sort()).toEqual([
      'alpaca_mini.json',
      'dpo_training.jsonl',
      'dpo_training_manual.jsonl',
      'grpo_training.jsonl',
      'gspo_training.jsonl',
      'heldout.jsonl',
      'judge_training.jsonl',
      'prompts.jsonl',
      'raw_responses.jsonl',
      'raw_responses_full.jsonl',
      'self_reward_samples.jsonl',
    ])
    expect(readdirSync(join(job.folder, 'reports')).sort()).toEqual([
      'dpo_loss.jsonl',
      'grpo_loss.jsonl',
      'gspo_loss.jsonl',
      'self-reward.html',
      'sft_loss.jsonl',
    ])
    const adapters = ['dpo_no_self_instruction', 'grpo_adapter', 'gspo_adapter', 'sft_adaptor']
    expect(readdirSync(join(job.folder, 'checkpoints')).sort()).toEqual([...adapters, 'tiny-base'])
    for (const adapter of adapters) {
      expect(readdirSync(join(job.folder, 'checkpoints', adapter)).sort()).toEqual([
        'adapter_config.json',
        'adapter_model.safetensors',
      ])
    }
  })

  test('judges every candidate', () => {
    const full = job.rows('data/raw_responses_full.jsonl')
    expect(full).toHaveLength(8)
    for (const row of full) {
      expect(row).toMatchObject({ instruction: expect.any(String), has_valid_pair: expect.any(Boolean) })
      expect(Object.keys(row)).toEqual(
        expect.arrayContaining(['chosen', 'chosen_score', 'rejected', 'rejected_score']),
      )
      const candidates = row.candidates as Record<string, unknown>[]
      expect(candidates).toHaveLength(3)
      for (const candidate of candidates) {
        expect(candidate).toMatchObject({ response: expect.any(String), judge_output: expect.any(String) })
        expect(candidate.score === null || typeof candidate.score === 'number').toBe(true)
      }
      const scored = candidates.filter(({ score }) => score !== null)
      expect(row.has_valid_pair).toBe(scored.length >= 2)
    }
    // How many verdicts a model of few steps writes legibly is not for this test to say; which rows those are, is.
    const valid = full.filter((row) => row.has_valid_pair).map(({ has_valid_pair: _, ...row }) => row)
    expect(job.rows('data/raw_responses.jsonl')).toEqual(valid)
    for (const row of valid) {
      expect(row).toMatchObject({
        chosen: expect.any(String),
        chosen_score: expect.any(Number),
        rejected: expect.any(String),
        rejected_score: expect.any(Number),
      })
    }
    const samples = job.rows('data/self_reward_samples.jsonl')
    expect(samples).toHaveLength(20)
    for (const sample of samples)
      expect(sample).toMatchObject({ instruction: expect.any(String), response: expect.any(String) })
  })

  test.each([
    ['dpo', { prompt: expect.any(String), chosen: expect.any(String), rejected: expect.any(String) }],
    ['grpo', { prompt: expect.any(String), response: expect.any(String), reward: expect.any(Number) }],
    ['gspo', { prompt: expect.any(String), responses: expect.any(Array), weights: expect.any(Array) }],
  ])('writes the training data of %s', (name, fields) => {
    const rows = job.rows(`data/${name}_training.jsonl`)
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) expect(row).toMatchObject(fields)
  })

  test.each(['sft', 'dpo', 'grpo', 'gspo'])('logs each step of %s', (stage) => {
    const rows = job.rows(`reports/${stage}_loss.jsonl`)
    expect(rows.map(({ step }) => step)).toEqual([1, 2])
    for (const row of rows) {
      expect(row).toMatchObject({ stage, epoch: expect.any(Number), loss: expect.any(Number) })
    }
  })

  test('reports all four methods', () => {
    const page = job.read('reports/self-reward.html')
    for (const method of ['sft', 'dpo', 'grpo', 'gspo']) expect(page.toLowerCase()).toContain(method)
  })
})

describe('a later run', () => {
  test('executes nothing where nothing has changed, and touches no file', async () => {
    const before = job.outputs()
    const { executed, planned } = await planAndRun()
    expect(executed).toEqual([])
    expect(planned('reuse')).toEqual(nodes)
    expect(job.outputs()).toEqual(before)
  })

  test('does not mind comments', async () => {
    await changed(
      workflow,
      (text) => `# a remark\n\n${text}\n# another\n`,
      async () => {
        const { executed, planned } = await planAndRun()
        expect(executed).toEqual([])
        expect(planned('reuse')).toEqual(nodes)
      },
    )
  })

  test('does not mind a touched file', async () => {
    const now = new Date()
    for (const name of readdirSync(join(job.folder, 'data')))
      utimesSync(join(job.folder, 'data', name), now, now)
    utimesSync(join(job.folder, 'checkpoints/tiny-base/model.safetensors'), now, now)
    const { executed, planned } = await planAndRun()
    expect(executed).toEqual([])
    expect(planned('reuse')).toEqual(nodes)
  })

  test('with another parameter of a late node executes that node and what depends on it', async () => {
    const before = job.outputs()
    const { executed, planned } = await planAndRun('--set', 'nodes.dpo.with.beta=0.3')
    expect(executed).toEqual(['dpo', 'evaluate_dpo', 'report'])
    expect(planned('run')).toEqual(['dpo'])
    expect(planned('unknown')).toEqual(['evaluate_dpo', 'report'])
    const after = job.outputs()
    const differing = Object.keys(after).filter((path) => after[path] !== before[path])
    expect(differing).toEqual([
      'checkpoints/dpo_no_self_instruction/adapter_model.safetensors',
      'reports/dpo_loss.jsonl',
      'reports/self-reward.html',
    ])
    expect((await planAndRun()).executed).toEqual([])
    expect(job.outputs()).toEqual(before)
  })

  test('with another prompt reuses what has not read the prompts', async () => {
    await changed(
      'data/prompts.jsonl',
      (text) => text.replace(/^.*\n/, '{"prompt":"What is 2 plus 3?"}\n'),
      async () => {
        const { executed, planned } = await planAndRun()
        expect(executed).toEqual(expect.arrayContaining(['generate', 'judge', 'report']))
        expect(planned('run')).toEqual(['generate'])
        expect(planned('reuse')).toEqual(['evaluate_sft', 'sft'])
      },
    )
    expect((await planAndRun()).executed).toEqual([])
  })

  test('stops where a result comes out as it was', async () => {
    await changed(
      'data/prompts.jsonl',
      // Beyond the eight that are taken.
      (text) => text.replace(/\n[^\n]*\n$/, '\n{"prompt":"What is 2 plus 3?"}\n'),
      async () => {
        const { executed, planned } = await planAndRun()
        expect(executed).toEqual(['generate'])
        expect(planned('run')).toEqual(['generate'])
        expect(planned('unknown')).toContain('judge')
      },
    )
  })
})
