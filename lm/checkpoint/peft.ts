/**
 * @file LoRA adapters in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`, with tensors named like
 * `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`.
 */
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { LmFailure } from '../failure.ts'
import { requireFinite } from './finite.ts'
import { readJsonObject } from './folder.ts'
import {
  adapterConfigText,
  type LoraSettings,
  parseAdapterConfig,
  unsupportedAdapter,
} from './peft-config.ts'
import { openSafetensors, type TensorData, writeSafetensors } from './safetensors.ts'
import { writeWhole } from './write-whole.ts'

const CONFIG_FILE = 'adapter_config.json'
const WEIGHTS_FILE = 'adapter_model.safetensors'

/** A [r, in], B [out, r], and DoRA's magnitudes [out]. */
export type LoraPart = 'A' | 'B' | 'magnitude'

const partSuffixes = {
  A: 'lora_A.weight',
  B: 'lora_B.weight',
  magnitude: 'lora_magnitude_vector',
} as const

/** PEFT's name of one tensor of a module's adapter; the module is named like `model.layers.0.mlp.up_proj`. */
export function loraName(module: string, part: LoraPart): string {
  return `base_model.model.${module}.${partSuffixes[part]}`
}

export interface Adapter {
  readonly settings: LoraSettings
  /** By PEFT's names, in their order, with the decoder at `model` wherever the file has it. */
  readonly tensors: ReadonlyMap<string, TensorData>
}

/** A tensor's name in a file: the decoder's place, the module in it, the part; saved with the adapter's name or without. */
const tensorName =
  /^(?:base_model\.model\.)?(model|model\.language_model|language_model\.model)\.(layers\.\d+\.\w+\.\w+)\.(?:lora_([AB])(?:\.default)?\.weight|lora_magnitude_vector(?:\.default)?(?:\.weight)?)$/

/**
 * Reads an adapter folder. Throws `LmFailure`: `missing-file`, `invalid-json`, `unsupported-adapter` (it names the
 * feature), `damaged-adapter`, `damaged-safetensors`, `not-finite`.
 */
export function readAdapter(folder: string): Adapter {
  const configFile = join(folder, CONFIG_FILE)
  const settings = parseAdapterConfig(configFile, readJsonObject(configFile))
  const weightsFile = join(folder, WEIGHTS_FILE)
  if (!existsSync(weightsFile)) {
    const pickled = existsSync(join(folder, 'adapter_model.bin'))
    throw new LmFailure({
      code: 'missing-file',
      message: `${folder} has no ${WEIGHTS_FILE}`,
      hint: pickled
        ? 'only safetensors are read; save the adapter again with `safe_serialization=True`'
        : `an adapter folder holds ${CONFIG_FILE} and ${WEIGHTS_FILE}`,
      file: folder,
    })
  }
  const weights = openSafetensors(weightsFile)
  const paths = new Set<string>()
  const found = new Map<string, TensorData>()
  for (const name of weights.names) {
    const match = tensorName.exec(name)
    if (match === null) throw unsupportedAdapter(weightsFile, `its tensor \`${name}\``)
    const [, path, module, letter] = match as unknown as [string, string, string, 'A' | 'B' | undefined]
    paths.add(path)
    const canonical = loraName(`model.${module}`, letter ?? 'magnitude')
    if (found.has(canonical)) throw notWhole(weightsFile, `it holds \`${canonical}\` under two names`)
    const tensor = weights.read(name)
    requireFinite(tensor.data, name, weightsFile)
    found.set(canonical, tensor)
  }
  const [decoderPath = 'model', ...others] = paths
  if (others.length > 0)
    throw unsupportedAdapter(weightsFile, `more than one decoder (${[...paths].join(', ')})`)
  const tensors = new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)))
  checkParts(weightsFile, tensors, settings.dora)
  return { settings: decoderPath === 'model' ? settings : { ...settings, decoderPath }, tensors }
}

function notWhole(file: string, what: string): LmFailure {
  return new LmFailure({
    code: 'damaged-adapter',
    message: `the adapter in ${file} is not whole: ${what}`,
    hint: 'save or copy the adapter again',
    file,
  })
}

/** Every module has A [r, in] and B [out, r] of one rank, and with DoRA the magnitudes of its outputs [out]. */
function checkParts(file: string, tensors: ReadonlyMap<string, TensorData>, dora: boolean): void {
  if (tensors.size === 0) throw notWhole(file, 'it holds no tensors')
  const modules = new Set(
    [...tensors.keys()].map((name) => name.slice(0, name.search(/\.lora_(?:[AB]|magnitude_vector)\b/))),
  )
  for (const module of modules) {
    const shapeOf = (part: LoraPart, dimensions: number): readonly number[] => {
      const name = `${module}.${partSuffixes[part]}`
      const tensor = tensors.get(name)
      if (tensor === undefined) throw notWhole(file, `it has no \`${name}\``)
      if (tensor.shape.length !== dimensions)
        throw notWhole(file, `\`${name}\` has the shape [${tensor.shape}]`)
      return tensor.shape
    }
    const [rank] = shapeOf('A', 2)
    const [outputs, rankOfB] = shapeOf('B', 2)
    if (rank !== rankOfB)
      throw notWhole(file, `\`${module}\` has a lora_A of rank ${rank} and a lora_B of rank ${rankOfB}`)
    if (dora) {
      const [magnitudes] = shapeOf('magnitude', 1)
      if (magnitudes !== outputs)
        throw notWhole(file, `\`${module}\` has ${outputs} outputs and ${magnitudes} magnitudes`)
    } else if (tensors.has(`${module}.${partSuffixes.magnitude}`)) {
      throw notWhole(file, `\`${module}\` has magnitudes, but \`use_dora\` is false`)
    }
  }
}

export interface WriteAdapterOptions {
  readonly settings: LoraSettings
  /** Path or hub name of the base model; informative only. */
  readonly baseModel: string
  /** By PEFT's names, with the decoder at `model`. */
  readonly tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>
}

/** Writes an adapter folder (made if absent) that PEFT loads; equal options give equal bytes. */
export function writeAdapter(folder: string, { settings, baseModel, tensors }: WriteAdapterOptions): void {
  mkdirSync(folder, { recursive: true })
  const { decoderPath = 'model' } = settings
  const inFile = (name: string) =>
    name.replace(/^base_model\.model\.model\./, `base_model.model.${decoderPath}.`)
  writeSafetensors(
    join(folder, WEIGHTS_FILE),
    Object.fromEntries([...tensors].map(([name, tensor]) => [inFile(name), tensor])),
  )
  const config = Buffer.from(adapterConfigText(settings, baseModel), 'utf8')
  writeWhole(join(folder, CONFIG_FILE), (append) => append(config))
}
