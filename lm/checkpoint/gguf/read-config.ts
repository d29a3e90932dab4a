/** @file The metadata of a GGUF file as the `config.json` of the same model. What of it is supported, its reader judges. */
import { type Architecture, architectures } from './architecture.ts'
import { Fields, refuse } from './fields.ts'
import type { GgufHeader } from './header.ts'
import { llama3Factors } from './rope-factors.ts'

/** @throws LmFailure `unsupported-gguf` */
export function architectureOf(header: GgufHeader): Architecture {
  const name = new Fields(header).text('general.architecture')
  const architecture = architectures.find((candidate) => candidate.name === name)
  if (architecture !== undefined) return architecture
  return refuse(
    header.file,
    `\`general.architecture\` ${JSON.stringify(name)}`,
    `supported: ${architectures.map((known) => known.name).join(', ')}`,
  )
}

/**
 * @param ropeFactors the tensor `rope_freqs.weight` [headSize / 2], where there is one
 * @throws LmFailure `unsupported-gguf`, `damaged-gguf`
 */
export function readConfig(
  header: GgufHeader,
  architecture: Architecture,
  ropeFactors: Float32Array | undefined,
): Record<string, unknown> {
  const fields = new Fields(header)
  const { file, tensors } = header
  const { name } = architecture
  const number = (key: string) => fields.number(`${name}.${key}`)
  const needed = (key: string) => fields.required(`${name}.${key}`, number(key))
  for (const key of ['expert_count', 'attn_logit_softcapping', 'final_logit_softcapping']) {
    if ((number(key) ?? 0) !== 0) refuse(file, `\`${name}.${key}\``, 'dense models without it are read')
  }
  if ((fields.number('split.count') ?? 1) > 1) {
    refuse(file, 'a part of a split model', 'join the parts with `llama-gguf-split --merge`')
  }
  const heads = needed('attention.head_count')
  const hiddenSize = needed('embedding_length')
  const headSize = number('attention.key_length') ?? hiddenSize / heads
  const rotated = number('rope.dimension_count') ?? headSize
  if (rotated !== headSize) {
    refuse(file, `\`${name}.rope.dimension_count\` ${rotated}`, `heads of ${headSize} are rotated as a whole`)
  }
  const id = (role: string) => fields.number(`tokenizer.ggml.${role}_token_id`) ?? null
  return {
    architectures: [architecture.className],
    model_type: architecture.modelType,
    vocab_size: tensors.get('token_embd.weight')?.shape[0],
    hidden_size: hiddenSize,
    num_hidden_layers: needed('block_count'),
    num_attention_heads: heads,
    num_key_value_heads: number('attention.head_count_kv') ?? heads,
    head_dim: headSize,
    intermediate_size: needed('feed_forward_length'),
    [name === 'gemma3' ? 'hidden_activation' : 'hidden_act']:
      name === 'gemma3' ? 'gelu_pytorch_tanh' : 'silu',
    rms_norm_eps: needed('attention.layer_norm_rms_epsilon'),
    ...rope(fields, name, ropeFactors),
    // In Qwen2 it is not a choice.
    ...(name !== 'qwen2' && { attention_bias: tensors.has('blk.0.attn_q.bias') }),
    ...(name === 'llama' && { mlp_bias: tensors.has('blk.0.ffn_gate.bias') }),
    ...(name === 'gemma3' && gemmaAttention(fields, headSize, hiddenSize / heads)),
    tie_word_embeddings: !tensors.has('output.weight'),
    max_position_embeddings: needed('context_length'),
    use_sliding_window: false,
    bos_token_id: id('bos'),
    eos_token_id: id('eos'),
    pad_token_id: id('padding'),
  }
}

function rope(
  fields: Fields,
  name: string,
  factors: Float32Array | undefined,
): { readonly rope_theta: number; readonly rope_scaling?: object } {
  // llama.cpp's own default.
  const theta = fields.number(`${name}.rope.freq_base`) ?? 10_000
  if (factors !== undefined) {
    const scaling = llama3Factors(factors, theta)
    if (scaling === undefined) {
      return refuse(fields.file, 'the tensor `rope_freqs.weight`', 'factors as Llama 3 makes them are read')
    }
    return { rope_theta: theta, rope_scaling: { rope_type: 'llama3', ...scaling } }
  }
  const type = fields.text(`${name}.rope.scaling.type`) ?? 'none'
  if (type === 'none') return { rope_theta: theta }
  const original = fields.number(`${name}.rope.scaling.original_context_length`)
  return {
    rope_theta: theta,
    rope_scaling: {
      rope_type: type,
      factor: fields.number(`${name}.rope.scaling.factor`),
      ...(original !== undefined && { original_max_position_embeddings: original }),
    },
  }
}

/** Layers that see a window only, and those that see all; as llama.cpp: each sixth, unless the file tells. */
function gemmaAttention(fields: Fields, headSize: number, widthOfHead: number): Record<string, unknown> {
  const layers = fields.number('gemma3.block_count') ?? 0
  const key = 'gemma3.attention.sliding_window_pattern'
  const listed = fields.flags(key)
  const period = listed === undefined ? (fields.number(key) ?? 6) : 0
  const window = fields.number('gemma3.attention.sliding_window')
  const isSliding = (layer: number) =>
    window !== undefined && (listed === undefined ? (layer + 1) % period !== 0 : listed[layer] === true)
  return {
    // What llama.cpp does for the one size in which they differ.
    query_pre_attn_scalar: layers === 62 ? widthOfHead : headSize,
    ...(window !== undefined && { sliding_window: window }),
    layer_types: Array.from({ length: layers }, (_, layer) =>
      isSliding(layer) ? 'sliding_attention' : 'full_attention',
    ),
    rope_local_base_freq: fields.number('gemma3.rope.freq_base_swa') ?? 10_000,
  }
}
