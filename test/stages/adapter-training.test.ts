/** @file Training of every kind of adapter: against TRL, from a given one as from a fresh one, and what is refused. */
import { describe, expect, it } from 'vitest'
import { readAdapter } from '../../lm/checkpoint/peft.ts'
import sft from '../../stages/sft/index.ts'
import { largestDifference, readReference, referencePath } from '../lm/reference.ts'
import { runStage } from './run-stage.ts'
import { logOf, policy } from './training-runs.ts'

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
