/** @file A training small enough for a test: an adapter of the tiny Qwen2 checkpoint on a dozen short sequences. */
import type { Sequence } from '../../../lm/batches/sequence.ts'
import { type LoadedAdapter, loadAdapter } from '../../../lm/model/adapter.ts'
import { plainLora } from '../../../lm/model/lora.ts'
import { loadModel, type Model } from '../../../lm/model/model.ts'
import type { Objective } from '../../../lm/training/objective.ts'
import { supervised } from '../../../lm/training/objectives/supervised.ts'
import { startingAdapter } from '../../../lm/training/train-adapter.ts'
import type { TrainerContext, TrainerSettings, TrainingTask } from '../../../lm/training/trainer.ts'
import { supervisedTask as fineTuning } from '../../../stages/sft/run.ts'
import { referencePath } from '../reference.ts'

/** The registered backend must be running. */
export function smallModel(): Model {
  return loadModel(referencePath('models/qwen2'))
}

export function freshAdapter(model: Model, seed = 0): LoadedAdapter {
  const settings = { ...plainLora, r: 4, alpha: 8, targets: ['q_proj', 'v_proj', 'down_proj'] }
  return startingAdapter(model, undefined, settings, seed)
}

export function trainedAdapter(model: Model): LoadedAdapter {
  return loadAdapter(referencePath('adapters/qwen2'), model.config)
}

/** Sequences of 8 to 16 tokens whose second half counts. */
export function sequences(count: number): Sequence[] {
  return Array.from({ length: count }, (_, row) => {
    const ids = Array.from(
      { length: 8 + ((row * 5) % 9) },
      (_, position) => 3 + ((row * 31 + position * 17) % 290),
    )
    return { ids, weights: ids.map((_, position) => (2 * position >= ids.length ? 1 : 0)) }
  })
}

export function supervisedTask(
  rows: readonly Sequence[],
  objective: Objective = supervised,
): TrainingTask<Sequence> {
  return { ...fineTuning(rows), objective }
}

export const smallSettings: TrainerSettings = {
  epochs: 2,
  batchSize: 4,
  accumulation: 1,
  learningRate: 1e-3,
  schedule: 'linear',
  warmup: 0,
  shuffle: true,
  groupByLength: false,
  seed: 0,
  optimizer: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0, maxGradientNorm: 1 },
}

export function trainerContext(checkpoint: string, overrides: Partial<TrainerContext> = {}): TrainerContext {
  return { checkpoint, signal: new AbortController().signal, progress() {}, log() {}, ...overrides }
}
