/** @file `adapter_config.json`: what PEFT 0.21 writes into it, and what of it this implementation carries out. */
import { isLmFailure, LmFailure } from '../failure.ts'
import { javascriptPattern } from './python-pattern.ts'

/** The version whose layout is written; PEFT reads any. */
const PEFT_VERSION = '0.21.0'

/** What a LoRA adapter means for the maths. */
export interface LoraSettings {
  readonly r: number
  readonly alpha: number
  /** Scales by alpha / sqrt(r) instead of alpha / r (arXiv 2312.03732). */
  readonly rslora: boolean
  /** Trains the magnitude of each output apart from its direction (arXiv 2402.09353). */
  readonly dora: boolean
  /** Share of an adapted module's inputs that the adapter does not see in training. */
  readonly dropout: number
  /** Ends of module names (`q_proj`), or a Python regular expression on whole names, or `all-linear`. */
  readonly targets: readonly string[] | string
  /** As `targets`: modules that carry no adapter all the same. */
  readonly exclude?: readonly string[] | string
  /** Layers that carry an adapter, where not all do; goes with a list of targets. */
  readonly layers?: readonly number[]
  /** Python regular expressions on what stands before the layer's number. @default whatever does */
  readonly layersPattern?: readonly string[]
  /** Ranks that differ from `r`, by Python regular expressions on the ends of module names; the first that fits. */
  readonly rankPattern?: Readonly<Record<string, number>>
  /** Alphas that differ from `alpha`, likewise. */
  readonly alphaPattern?: Readonly<Record<string, number>>
  /** Where the decoder lies in the model that PEFT adapted: `model.language_model` in one that also sees. @default model */
  readonly decoderPath?: string
}

type Fields = Readonly<Record<string, unknown>>

const PLAIN_INITIALISATIONS: ReadonlySet<unknown> = new Set([true, false, 'gaussian', 'orthogonal', 'eva'])

/** Fields that change the maths in ways that we do not compute, each with the values that leave it off. */
const UNSUPPORTED: Readonly<Record<string, (value: unknown) => boolean>> = {
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
  // The other initialisations change the base model's weights too, so the adapter means nothing on the bare base.
  init_lora_weights: (value) => value === undefined || value === null || PLAIN_INITIALISATIONS.has(value),
  bias: (value) => value === undefined || value === null || value === 'none',
}

const HINTS: Readonly<Record<string, string>> = {
  modules_to_save:
    'whole modules trained beside the adapter are not supported: merge them into the base model first',
  bias: 'biases trained beside the adapter are not supported: `bias: none`',
  init_lora_weights:
    'convert it to plain LoRA: `save_pretrained(..., path_initial_model_for_weight_conversion=...)`',
}

/** Settings that are off where they are absent, false or empty. */
function isOff(value: unknown): boolean {
  if (value === undefined || value === null || value === false) return true
  if (Array.isArray(value)) return value.length === 0
  return typeof value === 'object' && Object.keys(value).length === 0
}

export function unsupportedAdapter(file: string, what: string, hint?: string): LmFailure {
  return new LmFailure({
    code: 'unsupported-adapter',
    message: `the adapter in ${file} cannot be used: ${what} is not supported`,
    hint: hint ?? 'supported are LoRA, rsLoRA and DoRA on the linear layers of the decoder',
    file,
  })
}

/**
 * Reads an `adapter_config.json` that has been parsed already.
 * @throws LmFailure `unsupported-adapter` (it names the field), `damaged-adapter`, `unsupported-pattern`
 */
export function parseAdapterConfig(file: string, json: Fields): LoraSettings {
  if (json.peft_type !== 'LORA')
    throw unsupportedAdapter(file, `\`peft_type\` ${JSON.stringify(json.peft_type)}`)
  for (const [field, isHarmless] of Object.entries(UNSUPPORTED)) {
    if (!isHarmless(json[field])) throw unsupportedAdapter(file, `\`${field}\``, HINTS[field])
  }
  const fault = (field: string, what = '') =>
    new LmFailure({
      code: 'damaged-adapter',
      message: `\`${field}\` in ${file} is ${JSON.stringify(json[field]) ?? 'missing'}${what}`,
      hint: 'save the adapter again with PEFT',
      file,
    })
  const read = <T>(field: string, isRight: (value: unknown) => value is T): T => {
    const value = json[field]
    if (!isRight(value)) throw fault(field)
    return value
  }
  const optional = <T>(field: string, isRight: (value: unknown) => value is T): T | undefined =>
    isOff(json[field]) ? undefined : read(field, isRight)

  const targets = read('target_modules', isStrings)
  const exclude = optional('exclude_modules', isStrings)
  const layers = optional('layers_to_transform', isCounts)
  const layersPattern = optional('layers_pattern', isStrings)
  if (typeof targets === 'string') {
    for (const field of ['layers_to_transform', 'layers_pattern'] as const) {
      if (!isOff(json[field]))
        throw fault(field, ', which does not go with a `target_modules` that is a text')
    }
  }
  const rankPattern = optional('rank_pattern', isRecordOf(isRank))
  const alphaPattern = optional('alpha_pattern', isRecordOf(isNumber))
  const patterns = [
    ...(typeof targets === 'string' && !isAllLinear(targets) ? [targets] : []),
    ...(typeof exclude === 'string' ? [exclude] : []),
    ...listOf(layersPattern ?? []),
    ...Object.keys({ ...rankPattern, ...alphaPattern }),
  ]
  for (const pattern of patterns) requirePattern(file, pattern)
  return {
    r: read('r', isRank),
    alpha: read('lora_alpha', isNumber),
    rslora: json.use_rslora === true,
    dora: json.use_dora === true,
    dropout: json.lora_dropout === undefined ? 0 : read('lora_dropout', isShare),
    targets: typeof targets === 'string' ? targets : [...targets].sort(),
    ...(exclude !== undefined && { exclude: typeof exclude === 'string' ? exclude : [...exclude].sort() }),
    ...(layers !== undefined && { layers: typeof layers === 'number' ? [layers] : layers }),
    ...(layersPattern !== undefined && { layersPattern: listOf(layersPattern) }),
    ...(rankPattern !== undefined && { rankPattern }),
    ...(alphaPattern !== undefined && { alphaPattern }),
  }
}

function requirePattern(file: string, pattern: string): void {
  try {
    javascriptPattern(pattern)
  } catch (error) {
    throw isLmFailure(error) ? new LmFailure({ ...error.details, file }) : error
  }
}

/** PEFT's word for every linear layer but the output layer. */
export function isAllLinear(targets: string): boolean {
  return targets.toLowerCase() === 'all-linear'
}

function listOf(value: readonly string[] | string): readonly string[] {
  return typeof value === 'string' ? [value] : value
}

const isNumber = (value: unknown): value is number => typeof value === 'number'
const isRank = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 1
const isShare = (value: unknown): value is number => isNumber(value) && value >= 0 && value < 1
const isStrings = (value: unknown): value is string[] | string =>
  (typeof value === 'string' && value !== '') ||
  (Array.isArray(value) && value.every((entry) => typeof entry === 'string'))
const isCount = (value: unknown): value is number => Number.isInteger(value) && (value as number) >= 0
const isCounts = (value: unknown): value is number[] | number =>
  isCount(value) || (Array.isArray(value) && value.every(isCount))
const isRecordOf =
  <T>(isEntry: (value: unknown) => value is T) =>
  (value: unknown): value is Record<string, T> =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).every(isEntry)

/** The file's content, every field of PEFT's in its order; equal settings give equal text. */
export function adapterConfigText(settings: LoraSettings, baseModel: string): string {
  const sorted = (value: readonly string[] | string) =>
    typeof value === 'string' ? value : [...value].sort()
  const config = {
    alora_invocation_tokens: null,
    alpha_pattern: settings.alphaPattern ?? {},
    arrow_config: null,
    auto_mapping: null,
    base_model_name_or_path: baseModel,
    bias: 'none',
    corda_config: null,
    ensure_weight_tying: false,
    eva_config: null,
    exclude_modules: settings.exclude === undefined ? null : sorted(settings.exclude),
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    kasa_config: null,
    layer_replication: null,
    layers_pattern: settings.layersPattern ?? null,
    layers_to_transform: settings.layers ?? null,
    loftq_config: {},
    lora_alpha: settings.alpha,
    lora_bias: false,
    lora_dropout: settings.dropout,
    lora_ga_config: null,
    megatron_config: null,
    megatron_core: 'megatron.core',
    modules_to_save: null,
    monteclora_config: null,
    peft_type: 'LORA',
    peft_version: PEFT_VERSION,
    qalora_group_size: 16,
    r: settings.r,
    rank_pattern: settings.rankPattern ?? {},
    revision: null,
    target_modules: sorted(settings.targets),
    target_parameters: null,
    task_type: 'CAUSAL_LM',
    trainable_token_indices: null,
    use_bdlora: null,
    use_dora: settings.dora,
    use_qalora: false,
    use_rslora: settings.rslora,
    velora_config: null,
  }
  return JSON.stringify(config, null, 2)
}
