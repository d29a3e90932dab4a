/** @file A decoder's configuration as GGUF metadata. What llama.cpp would compute otherwise is refused. */
import { LmFailure } from '../../failure.ts'
import type { DecoderConfig, FamilyName } from '../../model/config.ts'
import { type Architecture, architectures } from './architecture.ts'
import type { Field } from './format.ts'
import type { WritableType } from './quantise.ts'

/** `general.file_type` of a file whose matrices are of this type. */
const fileTypes: Readonly<Record<WritableType, number>> = { F32: 0, F16: 1, Q8_0: 7, BF16: 32 }

/** llama.cpp has no layout of its own for Mistral. */
const architectureNames: Readonly<Record<FamilyName, string>> = {
  llama: 'llama',
  mistral: 'llama',
  qwen2: 'qwen2',
  qwen3: 'qwen3',
  gemma3: 'gemma3',
}

export function architectureFor({ family }: DecoderConfig): Architecture {
  return architectures.find(({ name }) => name === architectureNames[family])!
}

/**
 * Tokens that a file states as its longest text. Where llama.cpp knows no window, a text no longer than the window is
 * the same with and without.
 */
export function exportedLength(config: DecoderConfig): number {
  const loses = config.family !== 'gemma3' && config.layerKinds.includes('sliding')
  return loses ? Math.min(config.maxPositions, config.window!) : config.maxPositions
}

/**
 * @param file the model's, named in messages
 * @throws LmFailure `gguf-cannot-say`
 */
export function configFields(config: DecoderConfig, type: WritableType, file: string): Map<string, Field> {
  const { name } = architectureFor(config)
  const { full, sliding } = config.rotary
  const fields = new Map<string, Field>([
    ['general.architecture', { type: 'string', value: name }],
    ['general.type', { type: 'string', value: 'model' }],
  ])
  const own = (key: string, type: 'u32' | 'f32', value: number) =>
    fields.set(`${name}.${key}`, { type, value })
  own('block_count', 'u32', config.layers)
  own('context_length', 'u32', exportedLength(config))
  own('embedding_length', 'u32', config.hiddenSize)
  own('feed_forward_length', 'u32', config.intermediateSize)
  own('attention.head_count', 'u32', config.heads)
  own('attention.head_count_kv', 'u32', config.keyValueHeads)
  // In a model all of whose layers slide, theirs is the rotation.
  const rotary = config.layerKinds.includes('full') ? full : sliding
  if (rotary.scaling?.type === 'linear') {
    fields.set(`${name}.rope.scaling.type`, { type: 'string', value: 'linear' })
    own('rope.scaling.factor', 'f32', rotary.scaling.factor)
  }
  if (rotary.scaling?.type === 'llama3' && name !== 'llama') {
    throw cannotSay(file, `the scaling of rotary embeddings \`llama3\` in a ${name} model`)
  }
  own('rope.freq_base', 'f32', rotary.theta)
  if (name === 'gemma3') gemmaFields(config, own, fields, file)
  own('attention.layer_norm_rms_epsilon', 'f32', config.normEpsilon)
  own('attention.key_length', 'u32', config.headSize)
  own('attention.value_length', 'u32', config.headSize)
  fields.set('general.file_type', { type: 'u32', value: fileTypes[type] })
  own('vocab_size', 'u32', config.vocabularySize)
  own('rope.dimension_count', 'u32', config.headSize)
  fields.set('general.quantization_version', { type: 'u32', value: 2 })
  return fields
}

function gemmaFields(
  config: DecoderConfig,
  own: (key: string, type: 'u32' | 'f32', value: number) => void,
  fields: Map<string, Field>,
  file: string,
): void {
  const { sliding } = config.rotary
  if (sliding.scaling !== undefined) throw cannotSay(file, 'scaled rotary embeddings in sliding layers')
  // llama.cpp tells the one size that has another scale by its number of layers.
  const divisor = config.layers === 62 ? Math.floor(config.hiddenSize / config.heads) : config.headSize
  if (Math.abs(config.queryScale * Math.sqrt(divisor) - 1) > 1e-6) {
    throw cannotSay(file, '`query_pre_attn_scalar` that is not the size of a head')
  }
  if (!config.layerKinds.includes('sliding')) return
  own('rope.freq_base_swa', 'f32', sliding.theta)
  own('attention.sliding_window', 'u32', config.window!)
  if (config.layerKinds.every((kind, layer) => (kind === 'full') === ((layer + 1) % 6 === 0))) return
  const value = config.layerKinds.map((kind) => kind === 'sliding')
  fields.set('gemma3.attention.sliding_window_pattern', { type: 'array', element: 'bool', value })
}

export function cannotSay(file: string, what: string): LmFailure {
  return new LmFailure({
    code: 'gguf-cannot-say',
    message: `a GGUF file cannot carry ${what}`,
    hint: 'write a Hugging Face folder',
    file,
  })
}
