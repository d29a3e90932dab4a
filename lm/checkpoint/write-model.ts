/** @file Writes a model folder in the Hugging Face layout, so that transformers loads it. */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { DecoderConfig } from '../model/config.ts'
import { type TensorData, writeSafetensors } from './safetensors.ts'

const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'special_tokens_map.json',
]

export interface SpecialIds {
  readonly bos: number | undefined
  readonly eos: number | undefined
  readonly pad: number
}

/** @param tokenizerFolder whose tokenizer files are copied */
export function writeModel(
  folder: string,
  config: DecoderConfig,
  weights: ReadonlyMap<string, TensorData>,
  tokenizerFolder: string,
  special: SpecialIds,
): void {
  mkdirSync(folder, { recursive: true })
  const ids = {
    bos_token_id: special.bos ?? null,
    eos_token_id: special.eos ?? null,
    pad_token_id: special.pad,
  }
  writeJson(join(folder, 'config.json'), {
    architectures: [config.family === 'qwen2' ? 'Qwen2ForCausalLM' : 'LlamaForCausalLM'],
    model_type: config.family,
    vocab_size: config.vocabularySize,
    hidden_size: config.hiddenSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.keyValueHeads,
    head_dim: config.headSize,
    intermediate_size: config.intermediateSize,
    hidden_act: 'silu',
    rms_norm_eps: config.normEpsilon,
    rope_theta: config.ropeTheta,
    tie_word_embeddings: config.tiedEmbeddings,
    max_position_embeddings: config.maxPositions,
    use_sliding_window: false,
    attention_dropout: 0,
    initializer_range: 0.02,
    torch_dtype: 'float32',
    ...ids,
  })
  writeJson(join(folder, 'generation_config.json'), ids)
  writeSafetensors(join(folder, 'model.safetensors'), Object.fromEntries(weights), {
    metadata: { format: 'pt' },
  })
  for (const file of tokenizerFiles) {
    if (existsSync(join(tokenizerFolder, file))) copyFileSync(join(tokenizerFolder, file), join(folder, file))
  }
}

function writeJson(path: string, value: unknown): void {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)
}
