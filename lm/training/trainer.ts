/**
 * @file The training loop over epochs: batches in a seeded order, gradients accumulated exactly (each micro-batch is
 * divided by the whole accumulated batch's count), a log row an update, and checkpoints.
 */

import { LmFailure } from '../failure.ts'
import type { DecoderConfig } from '../model/config.ts'
import type { AdamWSettings } from './adamw.ts'
import { type LogRow, loadTrainerState, saveTrainerState } from './checkpoint.ts'
import type { Assemble } from './gradient.ts'
import { initialState, Learner, type LearnerSettings, type Update } from './learner.ts'
import { proveMovement } from './movement.ts'
import type { MicroBatch, Objective } from './objective.ts'
import { epochBatches, type OrderSettings } from './order.ts'
import { type ScheduleName, scheduleFactor, warmupStepCount } from './schedule.ts'
import type { ParameterLayout } from './trainable.ts'

export interface TrainingTask<Row> {
  readonly rows: readonly Row[]
  readonly objective: Objective
  lengthOf(row: Row): number
  /** @param whole the rows of the accumulated batch that `rows` is a part of */
  collate(rows: readonly Row[], whole: readonly Row[]): MicroBatch
  /** Further columns of a log row, from the summed metrics. */
  columns(metrics: Readonly<Record<string, number>>): Readonly<Record<string, number>>
}

export interface TrainerSettings extends OrderSettings {
  readonly epochs: number
  /** Ends the training early, whatever the epochs. */
  readonly maxSteps?: number | undefined
  readonly accumulation: number
  readonly learningRate: number
  readonly schedule: ScheduleName
  /** Below 1 a share of all updates, else a count. */
  readonly warmup: number
  readonly minimumRateRatio?: number
  readonly optimizer: AdamWSettings
  /** Whether weight decay applies to a parameter. @default all */
  readonly isDecayed?: LearnerSettings['isDecayed']
  /** Divides the vocabulary scores. @default 1 */
  readonly temperature?: number
}

export interface TrainerContext {
  /** Folder for checkpoints. */
  readonly checkpoint: string
  readonly signal: AbortSignal
  progress(update: { step: number; total: number; loss: number; tokensPerSecond: number }): void
  log(message: string): void
}

export interface TrainingResult {
  readonly parameters: Float32Array
  readonly log: readonly LogRow[]
  readonly steps: number
}

const checkpointIntervalMs = 15_000

/**
 * @throws LmFailure `no-optimizer-step`, `no-gradient`, `nothing-moved`, `not-a-number`
 * @throws DOMException `AbortError` after a checkpoint, when the signal is aborted
 */
export async function train<Row>(
  config: DecoderConfig,
  assemble: Assemble,
  layout: ParameterLayout,
  initial: Float32Array,
  task: TrainingTask<Row>,
  settings: TrainerSettings,
  context: TrainerContext,
): Promise<TrainingResult> {
  const lengths = task.rows.map((row) => task.lengthOf(row))
  const updatesAnEpoch = Math.ceil(epochBatches(lengths, 0, settings).length / settings.accumulation)
  const total = Math.min(settings.maxSteps ?? Number.POSITIVE_INFINITY, updatesAnEpoch * settings.epochs)
  if (!(total > 0)) {
    throw new LmFailure({
      code: 'no-optimizer-step',
      message: `these settings make no optimizer step: ${task.rows.length} rows, ${settings.epochs} epochs`,
      hint: 'give it rows to train on and at least one epoch',
    })
  }
  const schedule = {
    name: settings.schedule,
    warmupSteps: warmupStepCount(settings.warmup, total),
    totalSteps: total,
    minimumRatio: settings.minimumRateRatio ?? 0,
  }

  const saved = loadTrainerState(context.checkpoint)
  if (saved !== undefined) context.log(`resuming after step ${saved.step} of ${total}`)
  const start = saved?.initial ?? initial
  const log: LogRow[] = [...(saved?.log ?? [])]
  const { optimizer, isDecayed, temperature } = settings
  const learner = new Learner(
    { config, assemble, layout, objective: task.objective, temperature, optimizer, isDecayed },
    saved ?? initialState(initial),
  )
  let savedAtMs = performance.now()
  try {
    while (learner.updates < total) await trainEpoch()
    const parameters = learner.parameters()
    proveMovement(start, parameters, log)
    return { parameters, log, steps: learner.updates }
  } finally {
    learner.dispose()
  }

  /** The rest of the epoch that the next update lies in. */
  async function trainEpoch(): Promise<void> {
    const epoch = Math.floor(learner.updates / updatesAnEpoch)
    const batches = epochBatches(lengths, epoch, settings)
    const first = learner.updates % updatesAnEpoch
    for (let index = first; index < updatesAnEpoch && learner.updates < total; index++) {
      const startMs = performance.now()
      const micro = batches.slice(index * settings.accumulation, (index + 1) * settings.accumulation)
      const learningRate = settings.learningRate * scheduleFactor(schedule, learner.updates)
      const update = updateFrom(micro, learningRate)
      const { loss, tokens } = update
      const step = learner.updates
      const seconds = (performance.now() - startMs) / 1000
      log.push({
        epoch: round(Math.min(1, ((index + 1) * settings.accumulation) / batches.length) + epoch, 4),
        step,
        loss,
        learning_rate: learningRate,
        grad_norm: update.gradientNorm,
        ...task.columns(update.metrics),
        tokens,
        num_tokens: tokens + ((log.at(-1)?.num_tokens as number | undefined) ?? 0),
      })
      context.progress({ step, total, loss, tokensPerSecond: tokens / seconds })
      await endUpdate()
    }
  }

  function updateFrom(micro: readonly (readonly number[])[], learningRate: number): Update {
    const rowsOf = (indices: readonly number[]) => indices.map((row) => task.rows[row]!)
    const whole = rowsOf(micro.flat())
    for (const indices of micro) learner.accumulate(task.collate(rowsOf(indices), whole))
    return learner.update(learningRate)
  }

  async function endUpdate(): Promise<void> {
    // Progress and cancellation travel on the event loop, which the native calls block.
    await new Promise((resolve) => setImmediate(resolve))
    if (context.signal.aborted || performance.now() - savedAtMs > checkpointIntervalMs) {
      saveTrainerState(context.checkpoint, { ...learner.state(), initial: start, log })
      savedAtMs = performance.now()
    }
    context.signal.throwIfAborted()
  }
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
