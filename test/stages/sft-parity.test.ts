/** @file Supervised fine-tuning on the very rows, settings and starting adapter that TRL's trainer was given. */
import { describe, expect, it } from 'vitest'
import sft from '../../stages/sft/index.ts'
import { type RunReference, readReference, referencePath, type SftBatch } from '../lm/reference.ts'
import { runStage } from './run-stage.ts'
import { logOf, policy } from './training-runs.ts'
import { adapterDifference, expectRelative, trainingParams } from './trl-runs.ts'

describe('sft against TRL', () => {
  const runs = readReference<Record<string, RunReference<SftBatch>>>('training/sft.json')

  it.each(Object.keys(runs))('%s: every step, and the adapter after the last', async (name) => {
    const { settings, steps } = runs[name]!
    const run = await runStage(
      sft,
      { ...policy, data: { rows: referencePath('training/sft-rows.jsonl') } },
      { ...trainingParams(settings), train_on_prompt: settings.completion_only_loss === false },
    )
    const log = logOf(run)
    expect(log).toHaveLength(steps.length)
    log.forEach((row, index) => {
      const { log: theirs, batches } = steps[index]!
      expectRelative(row.loss, theirs.loss, 5e-6, `loss at step ${index + 1}`)
      expectRelative(row.grad_norm, theirs.grad_norm, 5e-6, `grad_norm at step ${index + 1}`)
      expectRelative(row.learning_rate, theirs.learning_rate, 1e-7, `learning_rate at step ${index + 1}`)
      expect(row.epoch).toBeCloseTo(theirs.epoch!, 3)
      // TRL logs the plain mean over micro-batches, we weigh by tokens.
      const counts = batches!.map(
        ({ labels }) => labels.flatMap((ids) => ids.slice(1)).filter((id) => id !== -100).length,
      )
      const correct = batches!.map(({ token_accuracy }, micro) => token_accuracy * counts[micro]!)
      const sum = (values: number[]) => values.reduce((a, b) => a + b, 0)
      expect(row.mean_token_accuracy).toBeCloseTo(sum(correct) / sum(counts), 6)
    })
    const theirs = referencePath(`training/sft-${name}`)
    expect(adapterDifference(run.outputs.adapter!, theirs)).toBeLessThan(2e-5)
  })
})
