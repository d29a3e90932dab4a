/** @file The decoders that GGUF knows, by `general.architecture`: their Hugging Face names, and what they store otherwise. */

export interface Architecture {
  /** As `general.architecture` and the prefix of its fields. */
  readonly name: string
  /** Value of `model_type` in a `config.json`. */
  readonly modelType: string
  readonly className: string
  /** Rows of q and k stand in pairs that are rotated together, where Hugging Face has them half a head apart. */
  readonly rotatesPairs: boolean
  /** Added to the weights of all norms: GGUF holds Gemma's as they multiply, Hugging Face as their distance from 1. */
  readonly normOffset: 0 | 1
  /** GGUF's name of a tensor -> Hugging Face's, in a layer; without `.weight`. */
  readonly layerTensors: Readonly<Record<string, string>>
}

const common = {
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
}

const queryKeyNorms = { attn_q_norm: 'self_attn.q_norm', attn_k_norm: 'self_attn.k_norm' }

export const architectures: readonly Architecture[] = [
  {
    name: 'llama',
    modelType: 'llama',
    className: 'LlamaForCausalLM',
    rotatesPairs: true,
    normOffset: 0,
    layerTensors: { ...common, ffn_norm: 'post_attention_layernorm' },
  },
  {
    name: 'qwen2',
    modelType: 'qwen2',
    className: 'Qwen2ForCausalLM',
    rotatesPairs: false,
    normOffset: 0,
    layerTensors: { ...common, ffn_norm: 'post_attention_layernorm' },
  },
  {
    name: 'qwen3',
    modelType: 'qwen3',
    className: 'Qwen3ForCausalLM',
    rotatesPairs: false,
    normOffset: 0,
    layerTensors: { ...common, ...queryKeyNorms, ffn_norm: 'post_attention_layernorm' },
  },
  {
    name: 'gemma3',
    modelType: 'gemma3_text',
    className: 'Gemma3ForCausalLM',
    rotatesPairs: false,
    normOffset: 1,
    layerTensors: {
      ...common,
      ...queryKeyNorms,
      post_attention_norm: 'post_attention_layernorm',
      ffn_norm: 'pre_feedforward_layernorm',
      post_ffw_norm: 'post_feedforward_layernorm',
    },
  },
]

const outerTensors: readonly (readonly [gguf: string, huggingFace: string])[] = [
  ['token_embd', 'model.embed_tokens'],
  ['output_norm', 'model.norm'],
  ['output', 'lm_head'],
]

/** Hugging Face's name of a GGUF tensor; undefined where it is no weight of the decoder. */
export function huggingFaceName({ layerTensors }: Architecture, name: string): string | undefined {
  const { stem, suffix } = /^(?<stem>.*)\.(?<suffix>weight|bias)$/.exec(name)?.groups ?? {}
  const outer = outerTensors.find(([gguf]) => gguf === stem)
  if (outer !== undefined) return `${outer[1]}.${suffix}`
  const { layer, part } = /^blk\.(?<layer>\d+)\.(?<part>\w+)$/.exec(stem ?? '')?.groups ?? {}
  const module = part === undefined ? undefined : layerTensors[part]
  return module === undefined ? undefined : `model.layers.${layer}.${module}.${suffix}`
}

/** The reverse of `huggingFaceName`. */
export function ggufName({ layerTensors }: Architecture, name: string): string | undefined {
  const { stem, suffix } = /^(?<stem>.*)\.(?<suffix>weight|bias)$/.exec(name)?.groups ?? {}
  const outer = outerTensors.find(([, huggingFace]) => huggingFace === stem)
  if (outer !== undefined) return `${outer[0]}.${suffix}`
  const { layer, module } = /^model\.layers\.(?<layer>\d+)\.(?<module>.+)$/.exec(stem ?? '')?.groups ?? {}
  const part = Object.keys(layerTensors).find((candidate) => layerTensors[candidate] === module)
  return part === undefined ? undefined : `blk.${layer}.${part}.${suffix}`
}

export function isNorm(name: string): boolean {
  return /norm\.weight$/.test(name)
}

/** How many heads share the rows of a projection whose order differs; undefined where none does. */
export function rotatedHeads(
  architecture: Architecture,
  name: string,
  heads: { readonly query: number; readonly keyValue: number },
): number | undefined {
  if (!architecture.rotatesPairs) return undefined
  if (/\.self_attn\.q_proj\./.test(name)) return heads.query
  return /\.self_attn\.k_proj\./.test(name) ? heads.keyValue : undefined
}

/**
 * Rows from halves (dimension i beside i + headSize / 2) to pairs (2i beside 2i + 1), head by head, or back.
 * @param values [rows, columns], or [rows] of a bias
 */
export function reorderRows(
  values: Float32Array,
  rows: number,
  heads: number,
  to: 'pairs' | 'halves',
): Float32Array {
  const columns = values.length / rows
  const headSize = rows / heads
  const half = headSize / 2
  const result = new Float32Array(values.length)
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / headSize)
    const within = row % headSize
    const pair = head * headSize + 2 * (within % half) + Math.floor(within / half)
    const [source, target] = to === 'pairs' ? [row, pair] : [pair, row]
    result.set(values.subarray(source * columns, (source + 1) * columns), target * columns)
  }
  return result
}
