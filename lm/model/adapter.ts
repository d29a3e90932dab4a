/** @file An adapter in memory: a fresh one, or one read from a folder and checked against the model; merging. */
import { type LoraPart, loraName, readAdapter } from '../checkpoint/peft.ts'
import { isAllLinear } from '../checkpoint/peft-config.ts'
import type { TensorData } from '../checkpoint/safetensors.ts'
import { LmFailure } from '../failure.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'
import type { DecoderConfig } from './config.ts'
import type { DecoderParameters } from './decoder.ts'
import { projectionShape } from './layout.ts'
import {
  type DecoderAdapter,
  initialMagnitudes,
  initialMatrices,
  type LoraMatrix,
  type LoraSettings,
  mergedWeight,
  scalingsOf,
} from './lora.ts'
import { allTargets, type LoraModule, loraModules, requireTargets } from './lora-modules.ts'
import type { Model } from './model.ts'

export interface LoadedAdapter {
  readonly settings: LoraSettings
  readonly modules: readonly LoraModule[]
  /** By PEFT's names. */
  readonly matrices: ReadonlyMap<string, LoraMatrix>
}

/** An adapter that changes nothing yet. @throws LmFailure `unknown-target`, `unsupported-target` */
export function freshAdapter(
  { config, weights }: Pick<Model, 'config' | 'weights'>,
  wanted: LoraSettings,
  seed: number,
): LoadedAdapter {
  // PEFT, too, writes the names that its word stood for.
  const isAll = typeof wanted.targets === 'string' && isAllLinear(wanted.targets)
  const named = isAll ? { ...wanted, targets: allTargets } : wanted
  requireTargets(config, { ...named, decoderPath: config.decoderPath })
  const settings = withinDecoder(named, config)
  const modules = loraModules(config, settings)
  const matrices = initialMatrices(config, modules, seed)
  if (!settings.dora) return { settings, modules, matrices }
  const magnitudes = initialMagnitudes(modules, (module) => weights[`${module}.weight`]!)
  return { settings, modules, matrices: new Map([...matrices, ...magnitudes]) }
}

/** A vision tower has projections of the same names: beside one, a list of targets becomes a pattern of the decoder's. */
function withinDecoder(settings: LoraSettings, { decoderPath }: DecoderConfig): LoraSettings {
  if (decoderPath === 'model') return settings
  const { targets, layers } = settings
  // PEFT takes chosen layers with a list only.
  if (typeof targets === 'string' || layers !== undefined) return { ...settings, decoderPath }
  const literal = (name: string) => name.replaceAll('.', '\\.')
  const pattern = `${literal(decoderPath)}\\.(?:.*\\.)?(?:${targets.map(literal).join('|')})`
  return { ...settings, decoderPath, targets: pattern }
}

/** Reads a PEFT folder and checks that it fits the model. @throws LmFailure */
export function loadAdapter(folder: string, config: DecoderConfig): LoadedAdapter {
  const { settings, tensors } = readAdapter(folder)
  const modules = loraModules(config, settings)
  const expected = new Set<string>()
  for (const { module, projection, r } of modules) {
    const [out, input] = projectionShape(config, projection)
    for (const part of ['A', 'B', ...(settings.dora ? (['magnitude'] as const) : [])] as const) {
      const name = loraName(module, part)
      const tensor = tensors.get(name)
      if (tensor === undefined) throw misfit(folder, `it has no \`${name}\``)
      expected.add(name)
      const { shape } = tensor
      if (part === 'A' && shape[0] !== r) {
        throw misfit(folder, `\`${module}\` has rank ${shape[0]}, and adapter_config.json makes it ${r}`)
      }
      if ((part === 'A' && shape[1] !== input) || (part !== 'A' && shape[0] !== out)) {
        throw misfit(folder, `\`${module}\` is [${out}, ${input}], its \`${name}\` [${shape.join(', ')}]`)
      }
    }
  }
  const stray = [...tensors.keys()].find((name) => !expected.has(name))
  if (stray !== undefined) throw misfit(folder, `\`${stray}\` belongs to no targeted module of the model`)
  return { settings, modules, matrices: tensors }
}

function misfit(folder: string, what: string): LmFailure {
  return new LmFailure({
    code: 'adapter-does-not-fit',
    message: `the adapter does not fit the model: ${what}`,
    hint: 'use the adapter with the base model that it was trained on',
    file: folder,
  })
}

/** The adapter as the forward pass reads it; the caller disposes the tensors. */
export function decoderAdapter({ modules, matrices }: Omit<LoadedAdapter, 'settings'>): DecoderAdapter {
  return { tensors: adapterTensors(matrices), scalings: scalingsOf(modules) }
}

function adapterTensors(matrices: ReadonlyMap<string, LoraMatrix>): TensorMap {
  const tensors: TensorMap = {}
  for (const [name, { data, shape }] of matrices) tensors[name] = tf.tensor(data, shape, 'float32')
  return tensors
}

/**
 * A weight of the model with the adapter merged into it, by itself: for checkpoints that pass through memory one tensor
 * after another. Works on the running backend.
 * @param name of the decoder's tensor, `model.layers.0.self_attn.q_proj.weight`
 * @returns the very tensor where no adapter lies on it
 */
export function mergedTensor(adapter: LoadedAdapter, name: string, { data, shape }: TensorData): TensorData {
  const module = adapter.modules.find((each) => `${each.module}.weight` === name)
  if (module === undefined) return { data, shape }
  return tf.tidy(() => {
    const merged = mergeModule(adapter, module, tf.tensor(data, shape, 'float32'))
    return { data: Float32Array.from(merged.dataSync()), shape }
  }) as TensorData
}

/** A model with an adapter merged into it. */
export interface MergedModel extends DecoderParameters {
  /** Gives up the merged weights; the model's own stay. */
  dispose(): void
}

/**
 * The model with the merged weight in place of each adapted one: the same function, one product a projection.
 * @param consume whether the model's own weights are given up as they are replaced, which takes less memory: the
 * model is the merged one from here on
 */
export function mergeAdapter(
  model: Model,
  adapter: LoadedAdapter,
  { consume }: { readonly consume: boolean },
): MergedModel {
  const merged: TensorMap = {}
  for (const module of adapter.modules) {
    const name = `${module.module}.weight`
    const weight = model.weights[name]!
    merged[name] = mergeModule(adapter, module, weight)
    if (!consume) continue
    model.weights[name] = merged[name]
    weight.dispose()
  }
  return {
    config: model.config,
    weights: { ...model.weights, ...merged },
    dispose: () => tf.dispose(merged),
  }
}

function mergeModule({ matrices }: LoadedAdapter, { module, scaling }: LoraModule, weight: Tensor): Tensor {
  return tf.tidy(() => {
    const part = (name: LoraPart) => {
      const matrix = matrices.get(loraName(module, name))
      return matrix && tf.tensor(matrix.data, matrix.shape, 'float32')
    }
    return mergedWeight(weight, { A: part('A')!, B: part('B')!, magnitude: part('magnitude') }, scaling)
  })
}
