/** @file A decoder and its adapter in memory: loaded from folders, held as tensors of the running backend. */
import { openCheckpoint } from '../checkpoint/folder.ts'
import { type AdapterConfig, readAdapter } from '../checkpoint/peft.ts'
import { LmFailure } from '../failure.ts'
import { type TensorMap, tf } from '../tensor/tf.ts'
import { loadTokenizer, type Tokenizer } from '../text/tokenizer.ts'
import { type DecoderConfig, decoderConfig } from './config.ts'
import type { DecoderParameters } from './decoder.ts'
import { names, tensorShapes } from './layout.ts'
import {
  adaptedModules,
  allTargets,
  type LoraMatrix,
  type LoraSettings,
  loraName,
  scalingOf,
} from './lora.ts'

export interface Model {
  readonly folder: string
  readonly config: DecoderConfig
  readonly tokenizer: Tokenizer
  /** By Hugging Face name; matrices are [out, in]. */
  readonly weights: TensorMap
}

export interface LoadedAdapter {
  readonly settings: LoraSettings
  /** By PEFT name. */
  readonly matrices: ReadonlyMap<string, LoraMatrix>
}

/**
 * Reads a Hugging Face folder: `config.json`, safetensors (float32, float16, bfloat16; computed in float32) and the
 * tokenizer. The configuration is judged before any weight is read.
 * @throws LmFailure
 */
export function loadModel(folder: string): Model {
  const checkpoint = openCheckpoint(folder)
  const file = `${folder}/config.json`
  const config = withActualOutput(decoderConfig(checkpoint.config, file), checkpoint.has(names.output))
  const weights: TensorMap = {}
  for (const [name, shape] of tensorShapes(config)) {
    const tensor = checkpoint.tensor(name)
    if (tensor.shape.join() !== shape.join()) {
      throw new LmFailure({
        code: 'damaged-model',
        message: `tensor \`${name}\` is [${tensor.shape}], but config.json makes it [${shape}]`,
        file: folder,
      })
    }
    weights[name] = tf.tensor(tensor.data, tensor.shape, 'float32')
  }
  return { folder, config, tokenizer: loadTokenizer(folder), weights }
}

/** Checkpoints exist that say `tie_word_embeddings: false` and carry no output matrix: they are tied. */
function withActualOutput(config: DecoderConfig, hasOutput: boolean): DecoderConfig {
  return config.tiedEmbeddings || hasOutput ? config : { ...config, tiedEmbeddings: true }
}

/** Reads a PEFT folder and checks that it fits the model. @throws LmFailure */
export function loadAdapter(folder: string, config: DecoderConfig): LoadedAdapter {
  const { config: adapter, tensors } = readAdapter(folder)
  const settings = settingsOf(adapter)
  const targets = targetsOf(tensors.keys())
  const expected = adaptedModules(config, targets)
  for (const { module } of expected) {
    for (const matrix of ['A', 'B'] as const) {
      if (tensors.has(loraName(module, matrix))) continue
      throw misfit(folder, `it has no \`${loraName(module, matrix)}\``)
    }
  }
  if (expected.length * 2 !== tensors.size) {
    throw misfit(folder, `it holds ${tensors.size} matrices, the model takes ${expected.length * 2}`)
  }
  const shapes = tensorShapes(config)
  for (const { module } of expected) {
    const [out, input] = shapes.get(`${module}.weight`)!
    const a = tensors.get(loraName(module, 'A'))!.shape
    const b = tensors.get(loraName(module, 'B'))!.shape
    if (a[1] !== input || b[0] !== out) {
      throw misfit(folder, `\`${module}\` is [${out}, ${input}], its adapter [${b[0]}, ${a[1]}]`)
    }
  }
  return { settings: { ...settings, targets }, matrices: tensors }
}

function misfit(folder: string, what: string): LmFailure {
  return new LmFailure({
    code: 'adapter-does-not-fit',
    message: `the adapter does not fit the model: ${what}`,
    hint: 'use the adapter with the base model that it was trained on',
    file: folder,
  })
}

function settingsOf({ r, alpha, rslora }: AdapterConfig): Omit<LoraSettings, 'targets'> {
  return { r, alpha, rslora }
}

/** Which projections an adapter's tensors belong to. */
function targetsOf(tensorNames: Iterable<string>): string[] {
  const found = new Set<string>()
  for (const name of tensorNames) {
    const target = /\.([a-z_]+)\.lora_[AB]\.weight$/.exec(name)?.[1]
    if (target !== undefined) found.add(target)
  }
  return allTargets.filter((target) => found.has(target))
}

/** LoRA matrices as tensors. */
export function adapterTensors(matrices: ReadonlyMap<string, LoraMatrix>): TensorMap {
  const tensors: TensorMap = {}
  for (const [name, { data, shape }] of matrices) tensors[name] = tf.tensor(data, shape, 'float32')
  return tensors
}

/**
 * The model with W + scaling * B A in place of each adapted W: the same function, one product a projection. The
 * replaced weights are disposed: the model is the merged one from here on.
 */
export function mergeAdapter(model: Model, adapter: LoadedAdapter): DecoderParameters {
  const scaling = scalingOf(adapter.settings)
  for (const { module } of adaptedModules(model.config, adapter.settings.targets)) {
    const name = `${module}.weight`
    const merged = tf.tidy(() => {
      const [a, b] = (['A', 'B'] as const).map((matrix) => {
        const { data, shape } = adapter.matrices.get(loraName(module, matrix))!
        return tf.tensor2d(data, shape as [number, number])
      })
      return tf.add(model.weights[name]!, tf.mul(tf.matMul(b!, a!), scaling))
    })
    model.weights[name]!.dispose()
    model.weights[name] = merged
  }
  return { config: model.config, weights: model.weights }
}
