/**
 * @file The training loop over epochs: batches in a seeded order, gradients accumulated exactly (each micro-batch is
 * divided by the whole accumulated batch's count), a log row an update, validation, and checkpoints.
 */
import type { LayoutSettings } from '../batches/layout.ts'
import type { Sequence } from '../batches/sequence.ts'
import { LmFailure } from '../failure.ts'
import type { DecoderConfig } from '../model/config.ts'
import type { AdamWSettings } from './adamw.ts'
import { checkpointIntervalMs, type LogRow, loadTrainerState, saveTrainerState } from './checkpoint.ts'
import type { Assemble } from './gradient.ts'
import { initialState, Learner, type LearnerSettings } from './learner.ts'
import { proveMovement } from './movement.ts'
import type { MicroBatch, Objective } from './objective.ts'
import { epochBatches, type OrderSettings } from './order.ts'
import { longestOf, planPasses } from './passes.ts'
import { type ScheduleName, scheduleFactor, warmupStepCount } from './schedule.ts'
import type { ParameterLayout } from './trainable.ts'
import { evaluate, isEvaluationDue, planEvaluation, standing, type ValidationSettings } from './validation.ts'

/** Where in the course of a training a micro-batch stands. */
export interface Place {
  /** Updates done before it. */
  readonly update: number
  /** Which micro-batch of the coming update it is, from 0. */
  readonly micro: number
  /** Which pass of the micro-batch, from 0. */
  readonly pass: number
}

export interface TrainingTask<Row> {
  readonly rows: readonly Row[]
  /** Rows that training does not see and validation measures. */
  readonly heldOut?: readonly Row[] | undefined
  readonly objective: Objective
  /** The tokens of a row that the model reads and scores. */
  sequencesOf(row: Row): readonly Sequence[]
  /** Whether loss and metrics are sums over the rows, however these are divided into passes. */
  readonly separable: boolean
  /** Whether the objective reads numbers by sequence, so that a graph serves one number of sequences. @default false */
  readonly bySequence?: boolean
  /** @param whole the rows of the accumulated batch that `rows` is a part of */
  collate(rows: readonly Row[], whole: readonly Row[], layout: LayoutSettings): MicroBatch
  /**
   * What training does to a pass and validation does not: noise. It follows from the place alone, so that a resumed
   * training repeats it.
   * @param rows of the whole micro-batch
   */
  disturb?: ((batch: MicroBatch, rows: readonly Row[], place: Place) => MicroBatch) | undefined
  /** Further columns of a log row, from the summed metrics and the rows that they were measured on. */
  columns(metrics: Readonly<Record<string, number>>, whole: readonly Row[]): Readonly<Record<string, number>>
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
  readonly gradientCheckpointing?: LearnerSettings['gradientCheckpointing']
  /** Of `task.heldOut`. */
  readonly validation?: ValidationSettings | undefined
}

export interface TrainerProgress {
  /** Updates, or what `unit` names. */
  readonly step: number
  readonly total: number
  readonly unit?: string
  readonly note?: string
  readonly loss?: number
  readonly tokensPerSecond?: number
}

export interface TrainerContext {
  /** Folder for checkpoints. */
  readonly checkpoint: string
  readonly signal: AbortSignal
  progress(progress: TrainerProgress): void
  log(message: string): void
}

export interface TrainingResult {
  /** After the last update, or those of the best evaluation where `validation.keepBest`. */
  readonly parameters: Float32Array
  /** A row an update and a row an evaluation, in the order of their steps. */
  readonly log: readonly LogRow[]
  /** Updates made. */
  readonly steps: number
}

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
  const lengths = task.rows.map((row) => longestOf(task, row))
  const firstEpoch = epochBatches(lengths, 0, settings)
  const batchesAnEpoch = firstEpoch.length
  const updatesAnEpoch = Math.ceil(batchesAnEpoch / settings.accumulation)
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

  const saved = loadTrainerState(context.checkpoint, (file) =>
    context.log(`the checkpoint ${file} is damaged: training begins anew`),
  )
  if (saved !== undefined) context.log(`resuming after step ${saved.step} of ${total}`)
  const start = saved?.initial ?? initial
  const log: LogRow[] = [...(saved?.log ?? [])]
  const { optimizer, isDecayed, temperature, gradientCheckpointing, validation } = settings
  let best = saved?.best
  let tokensSeen = (log.findLast(({ num_tokens }) => num_tokens !== undefined)?.num_tokens ?? 0) as number
  const passes = planPasses(task, firstEpoch.map(rowsOf), config)
  context.log(`layout: ${passes.summary}`)
  const { recompute } = passes
  const learner = new Learner(
    {
      assemble,
      layout,
      objective: task.objective,
      temperature,
      gradientCheckpointing,
      optimizer,
      isDecayed,
      recompute,
    },
    saved ?? initialState(initial),
  )
  let order: { readonly epoch: number; readonly batches: number[][] } | undefined
  const evaluation =
    task.heldOut && validation && planEvaluation(task, task.heldOut, settings.batchSize, config)
  const saveEveryMs = checkpointIntervalMs(process.env)
  let savedAtMs = performance.now()
  try {
    for (;;) {
      await evaluateWhereDue()
      if (learner.updates >= total || isStoppedEarly()) break
      makeUpdate()
      await pause()
    }
    proveMovement(start, learner.parameters(), log)
    return { parameters: best ?? learner.parameters(), log, steps: learner.updates }
  } finally {
    learner.dispose()
  }

  function makeUpdate(): void {
    const startMs = performance.now()
    const update = learner.updates
    const microBatches = microBatchesOf(update)
    const whole = microBatches.flat()
    microBatches.forEach((rows, micro) => {
      passes.of(rows).forEach((part, pass) => {
        const batch = task.collate(part, whole, passes.layout)
        learner.accumulate(task.disturb?.(batch, rows, { update, micro, pass }) ?? batch)
      })
    })
    const learningRate = settings.learningRate * scheduleFactor(schedule, update)
    const { loss, metrics, tokens, gradientNorm } = learner.update(learningRate)
    const seconds = (performance.now() - startMs) / 1000
    const step = learner.updates
    tokensSeen += tokens
    log.push({
      epoch: epochsDone(step),
      step,
      loss,
      learning_rate: learningRate,
      grad_norm: gradientNorm,
      ...task.columns(metrics, whole),
      tokens,
      num_tokens: tokensSeen,
    })
    context.progress({ step, total, loss, tokensPerSecond: tokens / seconds })
  }

  /** The micro-batches of an update. */
  function microBatchesOf(update: number): Row[][] {
    const epoch = Math.floor(update / updatesAnEpoch)
    if (order?.epoch !== epoch) order = { epoch, batches: epochBatches(lengths, epoch, settings) }
    const first = (update % updatesAnEpoch) * settings.accumulation
    return order.batches.slice(first, first + settings.accumulation).map(rowsOf)
  }

  function rowsOf(indices: readonly number[]): Row[] {
    return indices.map((row) => task.rows[row]!)
  }

  async function evaluateWhereDue(): Promise<void> {
    const step = learner.updates
    if (evaluation === undefined || validation === undefined) return
    if (!isEvaluationDue(step, total, updatesAnEpoch, validation)) return
    if (log.some((row) => row.step === step && validation.metric in row)) return
    const columns = await evaluate(task, evaluation, learner, async (done) => {
      context.progress({
        step: done,
        total: evaluation.rows.length,
        unit: 'row',
        note: `validation after step ${step}`,
      })
      await pause()
    })
    log.push({ epoch: epochsDone(step), step, ...columns })
    context.log(`step ${step}: ${validation.metric} ${columns[validation.metric]}`)
    if (validation.keepBest && standing(log, validation).best?.step === step) best = learner.parameters()
  }

  function isStoppedEarly(): boolean {
    if (validation?.patience === undefined) return false
    const { best: found, worse } = standing(log, validation)
    if (worse < validation.patience) return false
    context.log(
      `stopped after step ${learner.updates}: ${worse} evaluations were no better than ${validation.metric} ${found!.value} at step ${found!.step}`,
    )
    return true
  }

  /** Epochs begun and done after so many updates; the last update of an epoch may hold fewer micro-batches. */
  function epochsDone(step: number): number {
    if (step === 0) return 0
    const epoch = Math.floor((step - 1) / updatesAnEpoch)
    return epoch + Math.min(1, ((step - epoch * updatesAnEpoch) * settings.accumulation) / batchesAnEpoch)
  }

  /** Progress and cancellation travel on the event loop, which the native calls block. */
  async function pause(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    if (context.signal.aborted || performance.now() - savedAtMs > saveEveryMs) {
      saveTrainerState(context.checkpoint, { ...learner.state(), initial: start, log, best })
      savedAtMs = performance.now()
    }
    context.signal.throwIfAborted()
  }
}
