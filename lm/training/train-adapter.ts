/** @file Trains a LoRA adapter of a frozen model: a fresh one, or a given one continued. */
import { writeAdapter } from '../checkpoint/peft.ts'
import type { DecoderParameters } from '../model/decoder.ts'
import { initialAdapter, type LoraMatrix, type LoraSettings, scalingOf } from '../model/lora.ts'
import { adapterTensors, type LoadedAdapter, type Model } from '../model/model.ts'
import type { TensorMap } from '../tensor/tf.ts'
import { ParameterLayout } from './trainable.ts'
import {
  type TrainerContext,
  type TrainerSettings,
  type TrainingResult,
  type TrainingTask,
  train,
} from './trainer.ts'

export interface StartingAdapter {
  readonly settings: LoraSettings
  readonly matrices: ReadonlyMap<string, LoraMatrix>
}

/** The given adapter, or a fresh one. */
export function startingAdapter(
  model: Model,
  given: LoadedAdapter | undefined,
  settings: LoraSettings,
  seed: number,
): StartingAdapter {
  return given ?? { settings, matrices: initialAdapter(model.config, settings, seed) }
}

/**
 * The policy as it enters a stage: the reference of preference losses, the old policy of stored completions. The
 * caller disposes the adapter's tensors.
 */
export function enteringPolicy(
  model: Model,
  adapter: StartingAdapter,
): DecoderParameters & Required<Pick<DecoderParameters, 'adapter'>> {
  return {
    config: model.config,
    weights: model.weights,
    adapter: { tensors: adapterTensors(adapter.matrices), scaling: scalingOf(adapter.settings) },
  }
}

export async function trainAdapter<Row>(
  model: Model,
  adapter: StartingAdapter,
  task: TrainingTask<Row>,
  settings: TrainerSettings,
  context: TrainerContext,
): Promise<TrainingResult & { readonly matrices: Map<string, LoraMatrix> }> {
  const layout = ParameterLayout.of(adapter.matrices)
  const scaling = scalingOf(adapter.settings)
  const assemble = (tensors: TensorMap): DecoderParameters => ({
    config: model.config,
    weights: model.weights,
    adapter: { tensors, scaling },
  })
  const initial = layout.flatten(adapter.matrices)
  const result = await train(model.config, assemble, layout, initial, task, settings, context)
  return { ...result, matrices: layout.unflatten(result.parameters) }
}

/** Writes the PEFT folder. The base model's path is left out: equal adapters are equal bytes wherever they are made. */
export function saveAdapter(
  folder: string,
  settings: LoraSettings,
  matrices: ReadonlyMap<string, LoraMatrix>,
): void {
  writeAdapter(folder, {
    baseModel: '',
    r: settings.r,
    alpha: settings.alpha,
    dropout: 0,
    targetModules: settings.targets,
    rslora: settings.rslora,
    tensors: matrices,
  })
}
