/**
 * @file The training loop: batches in a seeded order, gradients accumulated exactly (each micro-batch is divided by
 * the whole accumulated batch's count), AdamW, a log row an update, checkpoints, and the proof that something moved.
 */

import { LmFailure } from '../failure.ts'
import type { DecoderConfig } from '../model/config.ts'
import type { DecoderParameters } from '../model/decoder.ts'
import { jit } from '../tensor/jit.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import { type AdamWArguments, type AdamWSettings, adamWUpdate } from './adamw.ts'
import { causalArrays, type HostBatch, upload } from './batch.ts'
import { type LogRow, loadTrainerState, saveTrainerState, type TrainerState } from './checkpoint.ts'
import { type LabelScores, scoreLabels } from './forward.ts'
import { epochBatches, type OrderSettings } from './order.ts'
import { type ScheduleName, scheduleFactor, warmupStepCount } from './schedule.ts'
import type { ParameterLayout } from './trainable.ts'

/**
 * Loss of a micro-batch as its share of the update's loss: shares add up to the loss of the accumulated batch.
 * Metrics are scalars that add up likewise.
 */
export type Objective = (
  scores: LabelScores,
  batch: TensorMap,
) => { readonly loss: Tensor; readonly metrics: TensorMap }

export interface MicroBatch {
  readonly arrays: HostBatch
  readonly sequences: number
  /** Padded length. */
  readonly length: number
  /** Real tokens in it, for the token rate. */
  readonly tokens: number
}

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
  readonly isDecayed?: (name: string, shape: readonly number[]) => boolean
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

/** How the trained tensors, by name, enter the model. */
export type Assemble = (trained: TensorMap) => DecoderParameters

const metricPrefix = 'metric '

/**
 * @throws LmFailure `no-optimizer-step`, `no-gradient`, `nothing-moved`, `not-a-number`
 * @throws DOMException `AbortError` after a checkpoint, when the signal is aborted
 */
export async function train<Row>(
  config: DecoderConfig,
  assemble: Assemble,
  parameterLayout: ParameterLayout,
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

  const gradient = compileGradient(assemble, parameterLayout, task.objective, settings.temperature ?? 1)
  const update = jit((args: AdamWArguments) => adamWUpdate(settings.optimizer, args))

  const saved = loadTrainerState(context.checkpoint)
  if (saved !== undefined) context.log(`resuming after step ${saved.step} of ${total}`)
  const start = saved?.initial ?? initial
  const log: LogRow[] = [...(saved?.log ?? [])]
  const size = parameterLayout.size
  let p: Tensor = tf.tensor1d(saved?.parameters ?? initial.slice())
  let m: Tensor = tf.tensor1d(saved?.firstMoment ?? new Float32Array(size))
  let v: Tensor = tf.tensor1d(saved?.secondMoment ?? new Float32Array(size))
  const decayed = tf.tensor1d(parameterLayout.indicator(settings.isDecayed ?? (() => true)))
  const zeros = tf.zeros([size])
  let g: Tensor = zeros

  const state = (step: number): TrainerState => ({
    step,
    parameters: p.dataSync() as Float32Array,
    firstMoment: m.dataSync() as Float32Array,
    secondMoment: v.dataSync() as Float32Array,
    initial: start,
    log,
  })

  let step = saved?.step ?? 0
  let savedAtMs = performance.now()
  try {
    while (step < total) await trainEpoch()
    const parameters = Float32Array.from(p.dataSync())
    proveMovement(start, parameters, log)
    return { parameters, log, steps: step }
  } finally {
    tf.dispose([p, g, m, v, decayed, zeros])
    gradient.dispose()
    update.dispose()
  }

  /** The rest of the epoch that `step` lies in. */
  async function trainEpoch(): Promise<void> {
    const epoch = Math.floor(step / updatesAnEpoch)
    const batches = epochBatches(lengths, epoch, settings)
    for (let index = step % updatesAnEpoch; index < updatesAnEpoch && step < total; index++) {
      const startMs = performance.now()
      const micro = batches.slice(index * settings.accumulation, (index + 1) * settings.accumulation)
      const whole = micro.flat().map((row) => task.rows[row]!)
      g = zeros
      let loss = 0
      let tokens = 0
      const sums: Record<string, number> = {}
      for (const rows of micro) {
        const batch = task.collate(
          rows.map((row) => task.rows[row]!),
          whole,
        )
        const result = gradient(config, batch, p, g)
        if (g !== zeros) g.dispose()
        g = result.g
        loss += result.loss
        tokens += batch.tokens
        for (const [name, value] of Object.entries(result.metrics)) sums[name] = (sums[name] ?? 0) + value
      }
      if (!Number.isFinite(loss)) throw notANumber('loss', loss, step + 1)
      const learningRate = settings.learningRate * scheduleFactor(schedule, step)
      const { beta1, beta2 } = settings.optimizer
      const scalars = {
        rate: tf.scalar(learningRate),
        correction1: tf.scalar(1 - beta1 ** (step + 1)),
        correction2: tf.scalar(Math.sqrt(1 - beta2 ** (step + 1))),
      }
      const next = update({ p, g, m, v, decayed, ...scalars })
      const gradientNorm = next.norm.dataSync()[0]!
      tf.dispose([p, g, m, v, next.norm, ...Object.values(scalars)])
      p = next.p
      m = next.m
      v = next.v
      step++
      // Such an update has spoilt the parameters: it must neither be saved nor pass for a result.
      if (!Number.isFinite(gradientNorm)) throw notANumber('gradient', gradientNorm, step)

      const seconds = (performance.now() - startMs) / 1000
      log.push({
        epoch: round(Math.min(1, ((index + 1) * settings.accumulation) / batches.length) + epoch, 4),
        step,
        loss,
        learning_rate: learningRate,
        grad_norm: gradientNorm,
        ...task.columns(sums),
        tokens,
      })
      context.progress({ step, total, loss, tokensPerSecond: tokens / seconds })
      // Progress and cancellation travel on the event loop, which the native calls block.
      await new Promise((resolve) => setImmediate(resolve))
      if (context.signal.aborted || performance.now() - savedAtMs > checkpointIntervalMs) {
        saveTrainerState(context.checkpoint, state(step))
        savedAtMs = performance.now()
      }
      context.signal.throwIfAborted()
    }
  }
}

function notANumber(what: 'loss' | 'gradient', value: number, step: number): LmFailure {
  return new LmFailure({
    code: 'not-a-number',
    message: `the ${what} is ${value} at step ${step}`,
    hint: 'lower the learning rate; `max_grad_norm` 1 keeps single batches from doing this',
  })
}

function compileGradient(
  assemble: Assemble,
  layout: ParameterLayout,
  objective: Objective,
  temperature: number,
) {
  // One compiled function for each number of sequences: it is no tensor's shape.
  const bySequences = new Map<number, ReturnType<typeof compileFor>>()
  const compileFor = (sequences: number) =>
    jit(({ p, accumulated, ...batch }: TensorMap) => {
      const parts = layout.split(p!)
      const metrics: TensorMap = {}
      const lossOf = (...values: Tensor[]) => {
        const trained = Object.fromEntries(layout.names.map((name, index) => [name, values[index]!]))
        const scores = scoreLabels(assemble(trained), batch, sequences, temperature)
        const outcome = objective(scores, batch)
        // `valueAndGrads` disposes whatever it does not return.
        for (const [name, tensor] of Object.entries(outcome.metrics))
          metrics[metricPrefix + name] = tf.keep(tensor)
        return outcome.loss as tf.Scalar
      }
      const inputs = layout.names.map((name) => parts[name]!)
      const { value, grads } = tf.valueAndGrads(lossOf)(inputs)
      const flat = tf.concat(grads.map((gradient) => tf.reshape(gradient, [-1])))
      const results: TensorMap = { loss: value, g: tf.add(accumulated!, flat) }
      for (const [name, kept] of Object.entries(metrics)) {
        results[name] = tf.clone(kept)
        kept.dispose()
      }
      return results
    })
  const shared = new Map<number, TensorMap>()
  const run = (config: DecoderConfig, batch: MicroBatch, p: Tensor, accumulated: Tensor) => {
    const compiled = bySequences.get(batch.sequences) ?? compileFor(batch.sequences)
    bySequences.set(batch.sequences, compiled)
    const causal = shared.get(batch.length) ?? upload(causalArrays(config, batch.length))
    shared.set(batch.length, causal)
    const arrays = upload(batch.arrays)
    const { g, loss, ...rest } = compiled({ ...arrays, ...causal, p, accumulated })
    const metrics: Record<string, number> = {}
    for (const [name, tensor] of Object.entries(rest))
      metrics[name.slice(metricPrefix.length)] = tensor.dataSync()[0]!
    const value = loss!.dataSync()[0]!
    tf.dispose([...Object.values(arrays), ...Object.values(rest), loss!])
    return { g: g!, loss: value, metrics }
  }
  const dispose = () => {
    for (const compiled of bySequences.values()) compiled.dispose()
    for (const causal of shared.values()) tf.dispose(causal)
  }
  return Object.assign(run, { dispose })
}

/** A stage that trained nothing must not look as if it had. */
function proveMovement(before: Float32Array, after: Float32Array, log: readonly LogRow[]): void {
  if (log.every((row) => row.grad_norm === 0)) {
    throw new LmFailure({
      code: 'no-gradient',
      message: 'no parameter received a gradient in any step',
      hint: 'the data carries no signal for this objective (equal scores, or every ratio clipped)',
    })
  }
  let moved = false
  for (let index = 0; index < before.length && !moved; index++) moved = before[index] !== after[index]
  if (!moved) {
    throw new LmFailure({
      code: 'nothing-moved',
      message: 'training left every parameter as it was',
      hint: 'the learning rate may be too small, or all steps may lie in the warm-up: `warmup: 0`, or more steps',
    })
  }
}

function round(value: number, digits: number): number {
  return Number(value.toFixed(digits))
}
