/** @file What the training stages do alike: load the policy, read the settings, write adapter and log. */
import { writeFileSync } from 'node:fs'
import { type StageContext, StageFailure } from 'flow/stage'
import type { Sequence } from '../../lm/batches/sequence.ts'
import { type LoadedAdapter, loadAdapter } from '../../lm/model/adapter.ts'
import type { DecoderParameters } from '../../lm/model/decoder.ts'
import type { Model } from '../../lm/model/model.ts'
import { tf } from '../../lm/tensor/tf.ts'
import { jsonLines } from '../../lm/text/json-lines.ts'
import { truncateCompletion } from '../../lm/text/truncate.ts'
import type { ScheduleName } from '../../lm/training/schedule.ts'
import { scoreSequences } from '../../lm/training/score-sequences.ts'
import {
  enteringPolicy,
  saveAdapter,
  startingAdapter,
  trainAdapter,
} from '../../lm/training/train-adapter.ts'
import type { TrainerSettings, TrainingTask } from '../../lm/training/trainer.ts'
import { openDevice } from '../device/open-device.ts'
import { openModel } from '../model/open-model.ts'
import { type LoraParams, loraSettings } from './lora.ts'
import { explainPrecision, type PrecisionParams } from './precision.ts'

/** The parameters of `trainingParams`, as a stage receives them. */
export interface TrainingParams extends PrecisionParams {
  readonly epochs: number
  readonly max_steps: number
  readonly batch_size: number
  readonly gradient_accumulation_steps: number
  readonly learning_rate: number
  readonly lr_scheduler: ScheduleName
  readonly warmup: number
  readonly min_lr_ratio: number
  readonly weight_decay: number
  readonly max_grad_norm: number
  readonly max_length: number
  readonly shuffle: boolean
  readonly group_by_length: boolean
  readonly gradient_checkpointing: boolean
  readonly seed: number
  readonly lora: LoraParams
}

// biome-ignore lint/suspicious/noExplicitAny: the context of any training stage
export type TrainingContext = Omit<StageContext<any, any, any>, 'inputs' | 'outputs' | 'params'>

export interface Policy {
  readonly model: Model
  readonly adapter: LoadedAdapter
}

/** A policy that stands still; without an adapter it is the bare model. */
export interface Reference {
  readonly model: Model
  readonly adapter: LoadedAdapter | undefined
}

/** Starts the device, loads the model and the adapter to go on from. */
export async function loadPolicy(
  inputs: { readonly model: string; readonly adapter: string | undefined },
  params: TrainingParams,
  context: TrainingContext,
): Promise<Policy> {
  const device = await openDevice(context)
  explainPrecision(params, context)
  if (params.gradient_checkpointing && device.name === 'tensorflow') {
    context.log(
      'gradient_checkpointing: the device tensorflow keeps what it computed; nothing is computed anew',
    )
  }
  const { model } = openModel(inputs.model, device, context, params.base_precision)
  const given = inputs.adapter === undefined ? undefined : loadAdapter(inputs.adapter, model.config)
  return { model, adapter: startingAdapter(model, given, loraSettings(params.lora), params.seed) }
}

export function trainerSettings(params: TrainingParams, temperature = 1): TrainerSettings {
  return {
    epochs: params.epochs,
    maxSteps: params.max_steps === 0 ? undefined : params.max_steps,
    batchSize: params.batch_size,
    accumulation: params.gradient_accumulation_steps,
    learningRate: params.learning_rate,
    schedule: params.lr_scheduler,
    warmup: params.warmup,
    minimumRateRatio: params.min_lr_ratio,
    shuffle: params.shuffle,
    groupByLength: params.group_by_length,
    seed: params.seed,
    temperature,
    gradientCheckpointing: params.gradient_checkpointing,
    optimizer: {
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-8,
      weightDecay: params.weight_decay,
      maxGradientNorm: params.max_grad_norm,
    },
  }
}

/**
 * The log-probability of each counted token under a policy that stands still.
 * @param temperature divides the vocabulary scores
 */
export async function referenceLogps(
  { model, adapter }: Reference,
  sequences: readonly Sequence[],
  batchSize: number,
  temperature: number,
  context: TrainingContext,
): Promise<Float32Array[]> {
  const parameters: DecoderParameters =
    adapter === undefined ? { config: model.config, weights: model.weights } : enteringPolicy(model, adapter)
  try {
    return await scoreSequences(parameters, sequences, batchSize, temperature, {
      signal: context.signal,
      progress: (step, total) =>
        context.progress({ step, total, unit: 'row', note: 'reference log-probabilities' }),
    })
  } finally {
    tf.dispose(parameters.adapter?.tensors ?? {})
  }
}

/** @throws StageFailure `no-rows` where truncation left none */
export function requireRows(rows: readonly unknown[], maxLength: number): void {
  if (rows.length > 0) return
  throw new StageFailure({
    code: 'no-rows',
    message: `no row has an answer within max_length ${maxLength}`,
    hint: 'raise max_length',
  })
}

/** Trains and writes the stage's two outputs. */
export async function runTraining<Row>(
  stage: string,
  { model, adapter }: Policy,
  task: TrainingTask<Row>,
  settings: TrainerSettings,
  outputs: { readonly adapter: string; readonly log: string },
  context: TrainingContext,
): Promise<void> {
  const { log, matrices } = await trainAdapter(model, adapter, task, settings, context)
  saveAdapter(outputs.adapter, adapter.settings, matrices)
  writeFileSync(outputs.log, jsonLines(log.map((row) => ({ stage, ...row }))))
}

/** Prompt and completion as one sequence cut at `maxLength`; undefined where nothing of the completion is left. */
export function completionSequence(
  prompt: readonly number[],
  completion: readonly number[],
  maxLength: number,
): Sequence | undefined {
  const cut = truncateCompletion({ prompt: [...prompt], completion: [...completion] }, maxLength)
  if (cut === undefined) return undefined
  const ids = [...cut.prompt, ...cut.completion]
  return { ids, weights: ids.map((_, position) => (position < cut.prompt.length ? 0 : 1)) }
}
