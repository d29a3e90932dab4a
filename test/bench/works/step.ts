/** @file One update of a fresh LoRA adapter, every token counted: forward, backward, clipping, AdamW. */
import { freshAdapter } from '../../../lm/model/adapter.ts'
import { plainLora } from '../../../lm/model/lora.ts'
import { allTargets } from '../../../lm/model/lora-modules.ts'
import { type BasePrecision, loadModel } from '../../../lm/model/model.ts'
import { startDevice } from '../../../lm/tensor/device.ts'
import { initialState, Learner } from '../../../lm/training/learner.ts'
import { planPasses } from '../../../lm/training/passes.ts'
import { adapterCourse } from '../../../lm/training/train-adapter.ts'
import { supervisedTask } from '../../../stages/sft/run.ts'
import { median, readSettings, report, timed } from './measure.ts'

interface Settings {
  readonly model: string
  readonly threads: number
  /** The sequences, each by one longer than what is computed of it. */
  readonly ids: readonly (readonly number[])[]
  readonly rank: number
  readonly learning_rate: number
  /** Updates that are timed, after one that is not. */
  readonly steps: number
  readonly base_precision?: BasePrecision
  readonly gradient_checkpointing?: boolean
}

export async function main(argv: readonly string[]): Promise<number> {
  const { model: folder, threads, ids, rank, steps, ...rest } = readSettings<Settings>(argv)
  const { learning_rate: rate, base_precision: base, gradient_checkpointing: gradientCheckpointing } = rest
  await startDevice('cpu', threads)
  const model = loadModel(folder, base)
  const lora = { ...plainLora, r: rank, alpha: 2 * rank, targets: allTargets }
  const { assemble, layout, initial } = adapterCourse(model, freshAdapter(model, lora, 0))
  const rows = ids.map((ids) => ({ ids, weights: ids.map(() => 1) }))
  const task = supervisedTask(rows)
  const { of, layout: rowLayout, recompute } = planPasses(task, [rows], model.config)
  const { objective, collate } = task
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1 }
  const settings = { assemble, layout, objective, optimizer, gradientCheckpointing, recompute }

  /** Loss and time of each update of a learner of its own. */
  const train = (count: number) => {
    const learner = new Learner(settings, initialState(initial))
    const losses: number[] = []
    const seconds = Array.from({ length: count }, () =>
      timed(() => {
        for (const part of of(rows)) learner.accumulate(collate(part, rows, rowLayout))
        losses.push(learner.update(rate).loss)
      }),
    )
    learner.dispose()
    return { losses, seconds }
  }
  const first = train(steps + 1)
  const usual = median(first.seconds.slice(1))
  const again = train(1)
  return report({
    figures: {
      'time a step, s': usual,
      'first step beyond that, s': first.seconds[0]! - usual,
      'first step of a second training beyond that, s': again.seconds[0]! - usual,
      'loss of the first step': first.losses[0]!,
      'loss of the last step': first.losses.at(-1)!,
    },
  })
}
