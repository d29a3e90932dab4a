/**
 * @file LoRA adapters in PEFT's layout: `adapter_config.json` and `adapter_model.safetensors`, with tensors named like
 * `base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight`.
 */

import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LmFailure } from '../failure.ts'
import { readJsonObject } from './folder.ts'
import { openSafetensors, type TensorData, writeSafetensors } from './safetensors.ts'

const CONFIG_FILE = 'adapter_config.json'
const WEIGHTS_FILE = 'adapter_model.safetensors'

/** The version whose layout is written; PEFT reads any. */
const PEFT_VERSION = '0.21.0'

/** What an adapter means for the maths. */
export interface AdapterConfig {
  /** Path or hub name of the base model, as it was saved; informative only. */
  readonly baseModel: string
  readonly r: number
  /** The adapter's scale is alpha / r, or alpha / sqrt(r) with `rslora`. */
  readonly alpha: number
  readonly dropout: number
  readonly rslora: boolean
  /** Names of the modules that carry an adapter: `q_proj`. A single string is PEFT's regular expression. */
  readonly targetModules: readonly string[] | string
}

export interface Adapter {
  readonly config: AdapterConfig
  /** By PEFT's full names. */
  readonly tensors: ReadonlyMap<string, TensorData>
}

const PLAIN_INITIALISATIONS: ReadonlySet<unknown> = new Set([true, false, 'gaussian', 'orthogonal', 'eva'])

/** Fields that change the maths in ways that we do not compute, each with the values that leave it off. */
const UNSUPPORTED: Readonly<Record<string, (value: unknown) => boolean>> = {
  use_dora: isOff,
  use_qalora: isOff,
  use_bdlora: isOff,
  lora_bias: isOff,
  fan_in_fan_out: isOff,
  alora_invocation_tokens: isOff,
  arrow_config: isOff,
  kasa_config: isOff,
  monteclora_config: isOff,
  velora_config: isOff,
  layer_replication: isOff,
  modules_to_save: isOff,
  trainable_token_indices: isOff,
  target_parameters: isOff,
  rank_pattern: isOff,
  alpha_pattern: isOff,
  // The other initialisations change the base model's weights too, so the adapter means nothing on the bare base.
  init_lora_weights: (value) => value === undefined || value === null || PLAIN_INITIALISATIONS.has(value),
  bias: (value) => value === undefined || value === null || value === 'none',
}

function isOff(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.keys(value).length === 0
}

/**
 * Reads an adapter folder. Throws `LmFailure`: `missing-file`, `invalid-json`, `unsupported-adapter` (it names the
 * feature), `damaged-adapter`, `damaged-safetensors`.
 */
export function readAdapter(folder: string): Adapter {
  const configFile = join(folder, CONFIG_FILE)
  const config = parseConfig(configFile, readJsonObject(configFile))
  const weightsFile = join(folder, WEIGHTS_FILE)
  if (!existsSync(weightsFile)) {
    const pickled = existsSync(join(folder, 'adapter_model.bin'))
    throw new LmFailure({
      code: 'missing-file',
      message: `${folder} has no ${WEIGHTS_FILE}`,
      ...(pickled && {
        hint: 'only safetensors are read; save the adapter again with `safe_serialization=True`',
      }),
      file: folder,
    })
  }
  const weights = openSafetensors(weightsFile)
  const tensors = new Map<string, TensorData>()
  for (const name of [...weights.names].sort()) {
    if (!/\.lora_[AB]\.weight$/.test(name)) throw unsupported(weightsFile, `its tensor \`${name}\``)
    tensors.set(name, weights.read(name))
  }
  checkPairs(weightsFile, tensors, config.r)
  return { config, tensors }
}

function unsupported(file: string, what: string): LmFailure {
  return new LmFailure({
    code: 'unsupported-adapter',
    message: `the adapter in ${file} cannot be used: ${what} is not supported`,
    hint: 'supported are plain LoRA and rslora on linear layers, one rank and one alpha for all',
    file,
  })
}

function parseConfig(file: string, json: Readonly<Record<string, unknown>>): AdapterConfig {
  if (json.peft_type !== 'LORA') throw unsupported(file, `\`peft_type\` ${JSON.stringify(json.peft_type)}`)
  for (const [field, isHarmless] of Object.entries(UNSUPPORTED)) {
    if (!isHarmless(json[field])) throw unsupported(file, `\`${field}\``)
  }
  const { r, lora_alpha: alpha, lora_dropout: dropout = 0, target_modules: targetModules } = json
  const fault = (field: string) =>
    new LmFailure({
      code: 'damaged-adapter',
      message: `\`${field}\` in ${file} is ${JSON.stringify(json[field])}`,
      file,
    })
  if (!Number.isInteger(r) || (r as number) < 1) throw fault('r')
  if (typeof alpha !== 'number') throw fault('lora_alpha')
  if (typeof dropout !== 'number' || dropout < 0 || dropout >= 1) throw fault('lora_dropout')
  if (typeof targetModules !== 'string' && !isStringArray(targetModules)) throw fault('target_modules')
  const baseModel = json.base_model_name_or_path
  return {
    baseModel: typeof baseModel === 'string' ? baseModel : '',
    r: r as number,
    alpha,
    dropout,
    rslora: json.use_rslora === true,
    targetModules: typeof targetModules === 'string' ? targetModules : [...targetModules].sort(),
  }
}

function isStringArray(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
}

/** Every module has both matrices: A [r, in] and B [out, r]. */
function checkPairs(file: string, tensors: ReadonlyMap<string, TensorData>, r: number): void {
  const fault = (what: string) =>
    new LmFailure({ code: 'damaged-adapter', message: `the adapter in ${file} is not whole: ${what}`, file })
  if (tensors.size === 0) throw fault('it holds no tensors')
  for (const [name, { shape }] of tensors) {
    const isA = name.endsWith('.lora_A.weight')
    const partner = name.replace(/\.lora_[AB]\.weight$/, isA ? '.lora_B.weight' : '.lora_A.weight')
    if (!tensors.has(partner)) throw fault(`\`${name}\` stands without \`${partner}\``)
    if (shape.length !== 2 || shape[isA ? 0 : 1] !== r) {
      throw fault(`\`${name}\` has the shape [${shape.join(', ')}], which does not fit rank ${r}`)
    }
  }
}

export interface WriteAdapterOptions {
  readonly baseModel: string
  readonly r: number
  readonly alpha: number
  /** @default 0 */
  readonly dropout?: number
  readonly targetModules: readonly string[]
  /** @default false */
  readonly rslora?: boolean
  /** By PEFT's full names. */
  readonly tensors:
    | ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>
    | Readonly<Record<string, { readonly shape: readonly number[]; readonly data: Float32Array }>>
}

/** Writes an adapter folder (made if absent) that PEFT loads; equal options give equal bytes. */
export function writeAdapter(folder: string, options: WriteAdapterOptions): void {
  mkdirSync(folder, { recursive: true })
  const { tensors } = options
  writeSafetensors(join(folder, WEIGHTS_FILE), tensors instanceof Map ? Object.fromEntries(tensors) : tensors)
  const config = {
    alora_invocation_tokens: null,
    alpha_pattern: {},
    arrow_config: null,
    auto_mapping: null,
    base_model_name_or_path: options.baseModel,
    bias: 'none',
    corda_config: null,
    ensure_weight_tying: false,
    eva_config: null,
    exclude_modules: null,
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    kasa_config: null,
    layer_replication: null,
    layers_pattern: null,
    layers_to_transform: null,
    loftq_config: {},
    lora_alpha: options.alpha,
    lora_bias: false,
    lora_dropout: options.dropout ?? 0,
    lora_ga_config: null,
    megatron_config: null,
    megatron_core: 'megatron.core',
    modules_to_save: null,
    monteclora_config: null,
    peft_type: 'LORA',
    peft_version: PEFT_VERSION,
    qalora_group_size: 16,
    r: options.r,
    rank_pattern: {},
    revision: null,
    target_modules: [...options.targetModules].sort(),
    target_parameters: null,
    task_type: 'CAUSAL_LM',
    trainable_token_indices: null,
    use_bdlora: null,
    use_dora: false,
    use_qalora: false,
    use_rslora: options.rslora ?? false,
    velora_config: null,
  }
  const file = join(folder, CONFIG_FILE)
  const temporary = `${file}.${process.pid}.partial`
  writeFileSync(temporary, JSON.stringify(config, null, 2))
  renameSync(temporary, file)
}
