/** @file Runs of TRL's trainers as runs of ours: settings under our names, and how closely the two must agree. */
import { expect } from 'vitest'
import { readAdapter } from '../../lm/checkpoint/peft.ts'
import { largestDifference } from '../lm/reference.ts'

/** TRL's settings under our stages' names. */
export function trainingParams(settings: Readonly<Record<string, unknown>>) {
  const number = (name: string) => settings[name] as number
  const schedule = settings.lr_scheduler_type as string
  const minimum = settings.lr_scheduler_kwargs as { readonly min_lr_rate: number } | undefined
  return {
    epochs: number('num_train_epochs'),
    max_steps: Math.max(0, number('max_steps')),
    batch_size: number('per_device_train_batch_size'),
    gradient_accumulation_steps: number('gradient_accumulation_steps'),
    learning_rate: number('learning_rate'),
    lr_scheduler: schedule.split('_')[0] as 'linear' | 'cosine' | 'constant',
    warmup: number('warmup_steps'),
    min_lr_ratio: minimum?.min_lr_rate ?? 0,
    weight_decay: number('weight_decay'),
    max_grad_norm: number('max_grad_norm'),
    max_length: number('max_length'),
    shuffle: false,
    group_by_length: false,
    seed: 0,
    lora: { r: 8, alpha: 16, targets: ['q_proj'], rslora: false },
  }
}

export function expectRelative(
  ours: number | undefined,
  theirs: number | null | undefined,
  tolerance: number,
  what: string,
) {
  const difference = Math.abs(ours! - theirs!) / Math.max(Math.abs(theirs!), 1e-12)
  expect(difference, `${what}: ${ours} against ${theirs}`).toBeLessThan(tolerance)
}

/** Largest difference of two PEFT folders' matrices. */
export function adapterDifference(ours: string, theirs: string): number {
  const [mine, expected] = [readAdapter(ours).tensors, readAdapter(theirs).tensors]
  expect([...mine.keys()].sort()).toEqual([...expected.keys()].sort())
  return Math.max(...[...expected].map(([name, { data }]) => largestDifference(mine.get(name)!.data, data)))
}
