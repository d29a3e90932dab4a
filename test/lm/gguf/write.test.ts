/** @file GGUF files that are written: the same bytes as llama.cpp's own package makes, and read back to the same model. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openCheckpoint } from '../../../lm/checkpoint/folder.ts'
import { exportGguf } from '../../../lm/checkpoint/gguf/export-gguf.ts'
import { readGgufHeader } from '../../../lm/checkpoint/gguf/header.ts'
import {
  matchingPreTokenizer,
  preTokenizerJson,
  preTokenizers,
} from '../../../lm/checkpoint/gguf/pre-tokenizers.ts'
import type { WritableType } from '../../../lm/checkpoint/gguf/quantise.ts'
import { tokenizerFields } from '../../../lm/checkpoint/gguf/write-tokenizer.ts'
import { writeSafetensors } from '../../../lm/checkpoint/safetensors.ts'
import { decoderConfig } from '../../../lm/model/config.ts'
import { tensorShapes } from '../../../lm/model/layout.ts'
import { openTextModel } from '../../../lm/model/text-model.ts'
import { createRandom } from '../../../lm/random.ts'
import { readTokenizerFiles } from '../../../lm/text/tokenizer-files.ts'
import { failureOf } from '../failure-of.ts'
import { referencePath } from '../reference.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'flow-gguf-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

function exported(folder: string, type: WritableType): string {
  const file = join(temporaryFolder(), 'model.gguf')
  const text = openTextModel(folder)
  exportGguf(file, text, { type, tensor: (name) => text.checkpoint.tensor(text.nameOf(name)) })
  return file
}

/** A model of random weights with the tokenizer of the reference checkpoints. */
function randomModel(config: Record<string, unknown>): string {
  const folder = temporaryFolder()
  for (const file of ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja']) {
    cpSync(referencePath(`models/llama/${file}`), join(folder, file))
  }
  const whole = {
    vocab_size: 300,
    hidden_size: 32,
    num_hidden_layers: 3,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    intermediate_size: 64,
    max_position_embeddings: 256,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: true,
    ...config,
  }
  const file = join(folder, 'config.json')
  writeFileSync(file, JSON.stringify(whole))
  const random = createRandom('weights')
  const shapes = tensorShapes(decoderConfig(whole, file))
  const tensors = Object.fromEntries(
    [...shapes].map(([name, shape]) => {
      const length = shape.reduce((product, size) => product * size, 1)
      return [name, { shape, data: Float32Array.from({ length }, () => random.next() - 0.5) }]
    }),
  )
  writeSafetensors(join(folder, 'model.safetensors'), tensors)
  return folder
}

describe('a written file', () => {
  it.each([
    ['llama', 'F16'],
    ['qwen2', 'Q8_0'],
  ] as const)('of %s in %s is byte for byte what the package of llama.cpp writes', (name, type) => {
    const file = exported(referencePath(`models/${name}`), type)
    const expected = readFileSync(referencePath(`gguf/${name}.gguf`))
    expect(readFileSync(file).equals(expected)).toBe(true)
  })

  it.each([
    ['llama', { attention_bias: true, rope_theta: 500, rope_scaling: { rope_type: 'linear', factor: 4 } }],
    [
      'llama',
      {
        rope_theta: 500_000,
        tie_word_embeddings: false,
        head_dim: 16,
        rope_scaling: {
          rope_type: 'llama3',
          factor: 8,
          low_freq_factor: 1,
          high_freq_factor: 4,
          original_max_position_embeddings: 8192,
        },
      },
    ],
    ['qwen2', {}],
    ['qwen3', { head_dim: 16, rope_theta: 1_000_000 }],
    ['gemma3_text', { head_dim: 16, query_pre_attn_scalar: 16, sliding_window: 8, rope_theta: 1_000_000 }],
    [
      'gemma3_text',
      {
        head_dim: 16,
        query_pre_attn_scalar: 16,
        sliding_window: 8,
        layer_types: ['full_attention', 'sliding_attention', 'full_attention'],
        rope_scaling: { rope_type: 'linear', factor: 8 },
      },
    ],
    ['mistral', { sliding_window: null }],
  ])('of %s %j reads back as the same model', (modelType, more) => {
    const folder = randomModel({ model_type: modelType, ...more })
    const file = exported(folder, 'F32')
    const [before, after] = [openTextModel(folder), openTextModel(file)]
    const { family: _before, rotary: rotaryBefore, normEpsilon, queryScale, ...configBefore } = before.config
    const { family: _after, rotary: rotaryAfter, ...configAfter } = after.config
    expect(configAfter).toEqual({
      ...configBefore,
      normEpsilon: Math.fround(normEpsilon),
      queryScale: expect.closeTo(queryScale, 12),
    })
    const kinds = ['full', 'sliding'] as const
    for (const kind of kinds.filter((each) => before.config.layerKinds.includes(each))) {
      expect(rotaryAfter[kind]).toEqual(rotaryBefore[kind])
    }
    const offset = before.config.normOffset
    for (const name of tensorShapes(before.config).keys()) {
      const { data, shape } = before.checkpoint.tensor(name)
      // One is added to Gemma's norms and taken away again.
      const passed =
        offset !== 0 && name.includes('norm') ? data.map((value) => Math.fround(value + 1) - 1) : data
      expect(after.checkpoint.tensor(name), name).toEqual({ shape, data: passed })
    }
  })

  it('says less of its length where llama.cpp knows no window', () => {
    const folder = randomModel({ model_type: 'mistral', sliding_window: 64 })
    expect(readGgufHeader(exported(folder, 'F32')).fields.get('llama.context_length')?.value).toBe(64)
  })

  it('keeps a SentencePiece tokenizer as it was', () => {
    const original = referencePath('gguf/sentencepiece.gguf')
    const files = readTokenizerFiles(original)
    const { fields } = readGgufHeader(original)
    const tokens = fields.get('tokenizer.ggml.tokens')!.value as string[]
    const written = tokenizerFields(files, tokens.length, [1])
    for (const key of [
      'model',
      'tokens',
      'token_type',
      'bos_token_id',
      'unknown_token_id',
      'add_bos_token',
    ]) {
      expect(written.get(`tokenizer.ggml.${key}`), key).toEqual(fields.get(`tokenizer.ggml.${key}`))
    }
    // Other numbers, the same order.
    const order = (scores: readonly number[]) =>
      tokens.map((_, id) => id).sort((a, b) => scores[b]! - scores[a]! || a - b)
    expect(order(written.get('tokenizer.ggml.scores')!.value as number[])).toEqual(
      order(fields.get('tokenizer.ggml.scores')!.value as number[]),
    )
  })

  it('takes no merges for SentencePiece that do not follow from scores', () => {
    const files = readTokenizerFiles(referencePath('gguf/sentencepiece.gguf'))
    const model = files.json.model as { vocab: object; merges: [string, string][] }
    const written = (merges: [string, string][]) => () =>
      tokenizerFields({ ...files, json: { ...files.json, model: { ...model, merges } } }, 500, [1])
    expect(written(model.merges)).not.toThrow()
    expect(failureOf(written(model.merges.slice(1))).code).toBe('gguf-cannot-say')
  })

  it('finds each way to cut text by its parts', () => {
    for (const known of preTokenizers) {
      const json = {
        normalizer: known.normalizer,
        pre_tokenizer: preTokenizerJson(known),
        model: { ignore_merges: known.ignoreMerges },
      }
      expect(matchingPreTokenizer(json)).toBe(known)
      expect(matchingPreTokenizer({ ...json, normalizer: { type: 'NFC' } })).toBe(known)
      expect(matchingPreTokenizer({ ...json, normalizer: { type: 'NFKC' } })).toBeUndefined()
    }
    const byteLevel = { type: 'ByteLevel', add_prefix_space: false, use_regex: true }
    const digits = { type: 'Digits', individual_digits: true }
    expect(matchingPreTokenizer({ pre_tokenizer: byteLevel })?.name).toBe('gpt-2')
    expect(
      matchingPreTokenizer({ pre_tokenizer: { type: 'Sequence', pretokenizers: [digits, byteLevel] } })?.name,
    ).toBe('smollm')
    expect(matchingPreTokenizer({ pre_tokenizer: { ...byteLevel, add_prefix_space: true } })).toBeUndefined()
  })
})

describe('what GGUF cannot say', () => {
  it.each([
    [{ model_type: 'gemma3_text', head_dim: 16, query_pre_attn_scalar: 256 }, /`query_pre_attn_scalar`/],
    [
      {
        model_type: 'qwen2',
        rope_scaling: {
          rope_type: 'llama3',
          factor: 8,
          low_freq_factor: 1,
          high_freq_factor: 4,
          original_max_position_embeddings: 8192,
        },
      },
      /`llama3` in a qwen2 model/,
    ],
  ])('is refused: %j', (config, message) => {
    const failure = failureOf(() => exported(randomModel(config), 'F32'))
    expect(failure.code).toBe('gguf-cannot-say')
    expect(failure.message).toMatch(message)
  })

  it('of a tokenizer is refused', () => {
    const folder = randomModel({ model_type: 'llama' })
    const file = join(folder, 'tokenizer.json')
    const json = JSON.parse(readFileSync(file, 'utf8'))
    json.pre_tokenizer.pretokenizers[0].pattern.Regex = '\\s+'
    writeFileSync(file, JSON.stringify(json))
    expect(failureOf(() => exported(folder, 'F32')).message).toMatch(/its tokenizer/)
  })

  it('in F16 is refused by the tensor that is too large', () => {
    const folder = randomModel({ model_type: 'llama' })
    const checkpoint = openCheckpoint(folder)
    const tensors = Object.fromEntries(checkpoint.names.map((name) => [name, checkpoint.tensor(name)]))
    tensors['model.layers.1.mlp.up_proj.weight']!.data[5] = -70_000
    writeSafetensors(join(folder, 'model.safetensors'), tensors)
    const failure = failureOf(() => exported(folder, 'F16'))
    expect(failure.code).toBe('dtype-overflow')
    expect(failure.message).toContain('`model.layers.1.mlp.up_proj.weight`')
  })
})
