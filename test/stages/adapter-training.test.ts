/** @file Training of every kind of adapter: against TRL, from a given one as from a fresh one, and what is refused. */
import { describe, expect, it } from 'vitest'
import { readAdapter } from '../../lm/checkpoint/peft.ts'
import dpo from '../../stages/dpo/index.ts'
import sft from '../../stages/sft/index.ts'
import { largestDifference, readReference, referencePath } from '../lm/reference.ts'
import { runStage, temporaryFolder } from './run-stage.ts'
import { logOf, policy, quick } from './training-runs.ts'

const rows = referencePath('training/sft-rows.jsonl')

interface AdapterRun {
  readonly settings: Readonly<Record<string, unknown>>
  /** TRL's log as columns. */
  readonly log: Readonly<Record<string, number[]>>
}

describe('sft of a given adapter against TRL', () => {
  const runs = readReference<Record<string, AdapterRun>>('training/sft-adapters.json')

  it.each(Object.entries(runs))('%s: every step, and the adapter after the last', async (name, run) => {
    const number = (setting: string) => run.settings[setting] as number
    const result = await runStage(
      sft,
      { model: policy.model, adapter: referencePath(`adapters/${name}`), data: { rows } },
      {
        epochs: number('num_train_epochs'),
        batch_size: number('per_device_train_batch_size'),
        gradient_accumulation_steps: number('gradient_accumulation_steps'),
        learning_rate: number('learning_rate'),
        lr_scheduler: run.settings.lr_scheduler_type,
        warmup: number('warmup_steps'),
        weight_decay: number('weight_decay'),
        max_grad_norm: number('max_grad_norm'),
        max_length: number('max_length'),
        shuffle: false,
      },
    )
    const log = logOf(result)
    expect(log).toHaveLength(run.log.loss!.length)
    const relative = (column: string) =>
      Math.max(...log.map((row, step) => Math.abs(row[column]! / run.log[column]![step]! - 1)))
    expect(relative('loss')).toBeLessThan(1e-6)
    expect(relative('grad_norm')).toBeLessThan(5e-6)
    const ours = readAdapter(result.outputs.adapter!)
    const theirs = readAdapter(referencePath(`training/sft-${name}`))
    expect([...ours.tensors.keys()]).toEqual([...theirs.tensors.keys()])
    const differences = [...theirs.tensors].map(([tensor, { data }]) =>
      largestDifference(ours.tensors.get(tensor)!.data, data),
    )
    expect(Math.max(...differences)).toBeLessThan(3e-6)
  })
})

const dora = referencePath('adapters/qwen2-dora')
const wanted = { r: 3, alpha: 6, targets: '.*\\.(q|up)_proj', dora: true, rank_pattern: { up_proj: 2 } }
const short = { ...quick, max_steps: 4 }

/** Of the tensors of two adapters with the same names, those that differ. */
function changed(before: string, after: string): string[] {
  const [old, now] = [readAdapter(before).tensors, readAdapter(after).tensors]
  expect([...now.keys()]).toEqual([...old.keys()])
  return [...now.keys()].filter((name) => largestDifference(now.get(name)!.data, old.get(name)!.data) > 0)
}

describe('a DoRA adapter', () => {
  it('begins as the base model does, and is gone on from as it was written', async () => {
    const inputs = { model: policy.model, data: { rows } }
    const losses: number[] = []
    const first = (lora: object) =>
      runStage(
        sft,
        inputs,
        { ...short, lora },
        { progress: ({ loss, step }) => step === 1 && losses.push(loss!) },
      )
    const fresh = await first(wanted)
    await first({ r: 3 })
    expect(losses[0]! / losses[1]!).toBeCloseTo(1, 6)

    const { settings, tensors } = readAdapter(fresh.outputs.adapter!)
    expect(settings).toMatchObject({ dora: true, targets: wanted.targets, rankPattern: { up_proj: 2 } })
    expect(tensors.get('base_model.model.model.layers.1.mlp.up_proj.lora_A.weight')!.shape).toEqual([2, 32])
    expect(tensors.size).toBe(2 * 2 * 3)

    const next = await runStage(sft, { ...inputs, adapter: fresh.outputs.adapter! }, short)
    expect(readAdapter(next.outputs.adapter!).settings).toEqual(settings)
    expect(changed(fresh.outputs.adapter!, next.outputs.adapter!)).toHaveLength(tensors.size)
  })

  it('is gone on from by dpo, whose reference it is', async () => {
    const data = referencePath('training/dpo-rows.jsonl')
    const run = await runStage(dpo, { model: policy.model, adapter: dora, data }, short)
    expect(logOf(run)[0]!.loss).toBeCloseTo(Math.LN2, 5)
    expect(changed(dora, run.outputs.adapter!).length).toBe(readAdapter(dora).tensors.size)
  })
})

describe('dropout', () => {
  const lora = { ...wanted, dropout: 0.2 }
  const inputs = { model: policy.model, data: { rows } }

  it('goes on bit for bit after an interruption, gives the same bits for the same seed, and others without', async () => {
    const params = { ...short, lora }
    const whole = await runStage(sft, inputs, params)
    const checkpoint = temporaryFolder()
    const controller = new AbortController()
    const progress = ({ step }: { step: number }) => step === 2 && controller.abort()
    const begun = runStage(sft, inputs, params, { checkpoint, signal: controller.signal, progress })
    await expect(begun).rejects.toMatchObject({ name: 'AbortError' })
    const resumed = await runStage(sft, inputs, params, { checkpoint })
    expect(resumed.logs).toContainEqual('resuming after step 2 of 4')
    expect(changed(whole.outputs.adapter!, resumed.outputs.adapter!)).toEqual([])
    expect(resumed.text('log')).toBe(whole.text('log'))

    const other = await runStage(sft, inputs, { ...params, lora: wanted })
    expect(changed(whole.outputs.adapter!, other.outputs.adapter!)).not.toEqual([])
    expect(readAdapter(whole.outputs.adapter!).settings.dropout).toBe(0.2)
  })

  it('is left out of validation', async () => {
    const validated = (dropout: number) =>
      runStage(
        sft,
        { ...inputs, validation: rows },
        { ...short, max_steps: 1, eval_on_start: true, lora: { ...lora, dropout } },
      )
    const [start, other] = [logOf(await validated(0.5))[0]!, logOf(await validated(0))[0]!]
    expect(start.step).toBe(0)
    expect(start.eval_loss).toBe(other.eval_loss)
  })
})
