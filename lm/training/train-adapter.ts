/** @file Trains a LoRA adapter of a frozen model: a fresh one, or a given one continued. */
import { writeAdapter } from '../checkpoint/peft.ts'
import { decoderAdapter, freshAdapter, type LoadedAdapter } from '../model/adapter.ts'
import type { AdaptedParameters } from '../model/decoder.ts'
import { type LoraMatrix, type LoraSettings, scalingsOf } from '../model/lora.ts'
import type { Model } from '../model/model.ts'
import { droppedInputs } from './adapter-dropout.ts'
import type { Assemble } from './gradient.ts'
import { ParameterLayout } from './trainable.ts'
import {
  type TrainerContext,
  type TrainerSettings,
  type TrainingResult,
  type TrainingTask,
  train,
} from './trainer.ts'

/** The given adapter, or a fresh one. */
export function startingAdapter(
  model: Model,
  given: LoadedAdapter | undefined,
  settings: LoraSettings,
  seed: number,
): LoadedAdapter {
  return given ?? freshAdapter(model, settings, seed)
}

/**
 * The policy as it enters a stage: the reference of preference losses, the old policy of stored completions. The
 * caller disposes the adapter's tensors.
 */
export function enteringPolicy(model: Model, adapter: LoadedAdapter): AdaptedParameters {
  return {
    config: model.config,
    weights: model.weights,
    adapter: decoderAdapter(adapter),
  }
}

/** What a learner needs to know of an adapter under training. */
export interface AdapterCourse {
  readonly layout: ParameterLayout
  readonly assemble: Assemble
  /** The parameters to start from, [layout.size]. */
  readonly initial: Float32Array
}

export function adapterCourse(model: Model, adapter: LoadedAdapter): AdapterCourse {
  const layout = ParameterLayout.of(adapter.matrices)
  const { modules, settings } = adapter
  const scalings = scalingsOf(modules)
  return {
    layout,
    assemble: (tensors, batch) => ({
      config: model.config,
      weights: model.weights,
      adapter: { tensors, scalings, drop: droppedInputs(modules, settings.dropout, batch) },
    }),
    initial: layout.flatten(adapter.matrices),
  }
}

export async function trainAdapter<Row>(
  model: Model,
  adapter: LoadedAdapter,
  task: TrainingTask<Row>,
  settings: TrainerSettings,
  context: TrainerContext,
): Promise<TrainingResult & { readonly matrices: Map<string, LoraMatrix> }> {
  const { layout, assemble, initial } = adapterCourse(model, adapter)
  const result = await train(model.config, assemble, layout, initial, task, settings, context)
  return { ...result, matrices: layout.unflatten(result.parameters) }
}

/** Writes the PEFT folder. The base model's path is left out: equal adapters are equal bytes wherever they are made. */
export function saveAdapter(
  folder: string,
  settings: LoraSettings,
  matrices: ReadonlyMap<string, LoraMatrix>,
): void {
  writeAdapter(folder, { settings, baseModel: '', tensors: matrices })
}
