/** @file GGUF files of llama.cpp's own package, read: blocks to the bit, tensors, configuration, tokenizers, faults. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gguf } from '@huggingface/gguf'
import { describe, expect, it, onTestFinished } from 'vitest'
import { openCheckpoint } from '../../../lm/checkpoint/folder.ts'
import { dequantise } from '../../../lm/checkpoint/gguf/dequantise.ts'
import { type Field, type TensorTypeName, tensorTypes } from '../../../lm/checkpoint/gguf/format.ts'
import { readGgufHeader } from '../../../lm/checkpoint/gguf/header.ts'
import { quantise } from '../../../lm/checkpoint/gguf/quantise.ts'
import { llama3Factors, ropeFactors } from '../../../lm/checkpoint/gguf/rope-factors.ts'
import { writeGguf } from '../../../lm/checkpoint/gguf/write-gguf.ts'
import { narrowToFloat16, widenFloat16 } from '../../../lm/checkpoint/half.ts'
import { loadTokenizer } from '../../../lm/text/tokenizer.ts'
import { failureOf } from '../failure-of.ts'
import { readReference, referencePath } from '../reference.ts'

const llama = referencePath('gguf/llama.gguf')
const qwen2 = referencePath('gguf/qwen2.gguf')

interface Blocks {
  readonly dequantise: Readonly<Record<TensorTypeName, { readonly bytes: string; readonly values: string }>>
  readonly quantise: { readonly Q8_0: { readonly bytes: string; readonly values: string } }
}

function bytesOf(base64: string): Uint8Array {
  return Uint8Array.from(Buffer.from(base64, 'base64'))
}

function floatsOf(base64: string): Float32Array {
  return new Float32Array(bytesOf(base64).buffer)
}

function temporaryFile(name: string, bytes: Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'flow-gguf-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, name), bytes)
  return join(folder, name)
}

describe('blocks', () => {
  const blocks = readReference<Blocks>('gguf/blocks.json')

  it.each(Object.keys(tensorTypes) as TensorTypeName[])('%s dequantised to the bit', (type) => {
    const { bytes, values } = blocks.dequantise[type]
    const expected = floatsOf(values)
    const found = new Float32Array(expected.length)
    dequantise[type](bytesOf(bytes), found, 0)
    expect(new Uint32Array(found.buffer)).toEqual(new Uint32Array(expected.buffer))
  })

  it('Q8_0 quantised to the bit', () => {
    const { bytes, values } = blocks.quantise.Q8_0
    expect(quantise(floatsOf(values), 'Q8_0')).toEqual(bytesOf(bytes))
  })
})

describe('a model', () => {
  it.each([
    ['llama', llama],
    ['qwen2', qwen2],
  ])('%s has the header that another reader finds', async (_, file) => {
    const header = readGgufHeader(file)
    const other = await gguf(file, { allowLocalFile: true })
    const { version: _version, tensor_count: _count, kv_count: _kv, ...metadata } = other.metadata
    expect(Object.fromEntries([...header.fields].map(([key, { value }]) => [key, value]))).toEqual(metadata)
    expect(
      [...header.tensors].map(([name, { type, shape, begin }]) => ({ name, dtype: type.id, shape, begin })),
    ).toEqual(
      other.tensorInfos.map(({ name, dtype, shape, offset }) => ({
        name,
        dtype,
        shape: shape.map(Number).reverse(),
        begin: Number(other.tensorDataOffset + offset),
      })),
    )
  })

  it('in F16 has the weights of its Hugging Face folder, each in its place', () => {
    const read = openCheckpoint(llama)
    const original = openCheckpoint(referencePath('models/llama'))
    expect([...read.names].sort()).toEqual([...original.names].sort())
    for (const name of original.names) {
      const { data, shape } = original.tensor(name)
      const expected = new Float32Array(data.length)
      if (shape.length === 1) expected.set(data)
      else widenFloat16(narrowToFloat16(data), expected)
      expect(read.tensor(name), name).toEqual({ data: expected, shape })
    }
  })

  it('in Q8_0 has the weights of its Hugging Face folder within half a step of each block, its scale in F16', () => {
    const read = openCheckpoint(qwen2)
    const original = openCheckpoint(referencePath('models/qwen2'))
    expect([...read.names].sort()).toEqual([...original.names].sort())
    for (const name of original.names) {
      const { data, shape } = original.tensor(name)
      const found = read.tensor(name)
      expect(found.shape).toEqual(shape)
      for (let block = 0; block < data.length; block += 32) {
        const values = data.subarray(block, block + 32)
        const step = shape.length === 1 ? 0 : Math.max(...values.map(Math.abs)) / 127
        const error = Math.max(...values.map((value, index) => Math.abs(value - found.data[block + index]!)))
        expect(error).toBeLessThanOrEqual(0.57 * step)
      }
    }
  })

  it.each([
    ['llama', llama],
    ['qwen2', qwen2],
  ])('%s states the configuration of its Hugging Face folder', (name, file) => {
    const { config } = openCheckpoint(file)
    const { config: original } = openCheckpoint(referencePath(`models/${name}`))
    const { rope_parameters: rope, rms_norm_eps: epsilon } = original
    expect(config.rms_norm_eps).toBe(Math.fround(Number(epsilon)))
    expect(config.rope_theta).toBe((rope as { rope_theta: number }).rope_theta)
    const same = ['model_type', 'architectures', 'vocab_size', 'hidden_size', 'num_hidden_layers']
    const more = ['num_attention_heads', 'num_key_value_heads', 'intermediate_size', 'hidden_act']
    const ids = [
      'tie_word_embeddings',
      'max_position_embeddings',
      'bos_token_id',
      'eos_token_id',
      'pad_token_id',
    ]
    for (const field of [...same, ...more, ...ids]) expect(config[field], field).toEqual(original[field])
  })

  it('is also found as the only GGUF file of a folder', () => {
    const file = temporaryFile('model.gguf', readFileSync(llama))
    expect(openCheckpoint(join(file, '..')).configFile).toBe(file)
    writeFileSync(join(file, '..', 'other.gguf'), readFileSync(llama))
    expect(failureOf(() => openCheckpoint(join(file, '..'))).code).toBe('several-gguf-files')
  })
})

describe('a tokenizer', () => {
  interface Tokenizers {
    readonly texts: readonly string[]
    readonly sentencepiece: {
      readonly ids: number[][]
      readonly with_bos: number[][]
      readonly decoded: string[]
    }
    readonly pre: Readonly<Record<string, number[][]>>
  }
  const { texts, sentencepiece, pre } = readReference<Tokenizers>('gguf/tokenizers.json')

  it('of byte-level pairs is that of the Hugging Face folder', () => {
    const read = loadTokenizer(llama)
    const original = loadTokenizer(referencePath('models/llama'))
    for (const text of texts) {
      expect(read.encode(text)).toEqual(original.encode(text))
      expect(read.decode(read.encode(text))).toBe(original.decode(original.encode(text)))
    }
    const same = [
      'vocabularySize',
      'bosId',
      'eosId',
      'padId',
      'stopIds',
      'endOfTurnId',
      'prefixIds',
      'chatTemplate',
    ]
    for (const key of [...same, 'specialIds'] as (keyof typeof read)[])
      expect(read[key], key).toEqual(original[key])
  })

  it.each(Object.keys(pre))('whose text is cut as `%s` gives the ids of transformers', (name) => {
    const { fields } = readGgufHeader(llama)
    const changed = new Map<string, Field>([
      ...fields,
      ['tokenizer.ggml.pre', { type: 'string', value: name }],
    ])
    const file = temporaryFile('model.gguf', new Uint8Array())
    writeGguf(file, changed, [])
    const tokenizer = loadTokenizer(file)
    expect(texts.map((text) => tokenizer.encode(text))).toEqual(pre[name])
  })

  it("of SentencePiece's kind gives the ids of transformers", () => {
    const tokenizer = loadTokenizer(referencePath('gguf/sentencepiece.gguf'))
    expect(texts.map((text) => tokenizer.encode(text))).toEqual(sentencepiece.ids)
    expect(sentencepiece.ids.map((ids) => tokenizer.decode(ids))).toEqual(sentencepiece.decoded)
    expect(tokenizer.prefixIds).toEqual([1])
    expect(tokenizer.bosId).toBe(1)
    expect(tokenizer.eosId).toBe(2)
  })
})

describe('rotary factors', () => {
  it("are taken for Llama 3's own, and for nothing else", () => {
    const scaling = {
      factor: 32,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    }
    const factors = ropeFactors(scaling, 500_000, 64)
    expect(factors[0]).toBe(1)
    expect(factors.at(-1)).toBe(32)
    expect(llama3Factors(factors, 500_000)).toEqual(scaling)
    expect(llama3Factors(factors, 10_000)).toBeUndefined()
    factors[20]! *= 1.01
    expect(llama3Factors(factors, 500_000)).toBeUndefined()
  })
})

describe('a faulty file', () => {
  const whole = readFileSync(llama)

  it('that is cut anywhere is refused', () => {
    const { tensors } = readGgufHeader(llama)
    const dataStart = Math.min(...[...tensors.values()].map(({ begin }) => begin))
    for (const length of [4, 20, 200, 4000, dataStart - 1, dataStart + 1, whole.length - 64]) {
      const file = temporaryFile('model.gguf', whole.subarray(0, length))
      expect(failureOf(() => openCheckpoint(file)).code, `${length} bytes`).toBe('damaged-gguf')
    }
  })

  it('with a tensor of another type is refused by its name before a weight is read', () => {
    const bytes = Buffer.from(whole)
    const name = 'blk.1.attn_q.weight'
    const at = bytes.indexOf(name) + name.length + 4 + 2 * 8
    bytes.writeUInt32LE(13, at)
    const failure = failureOf(() => openCheckpoint(temporaryFile('model.gguf', bytes)))
    expect(failure.code).toBe('unsupported-dtype')
    expect(failure.message).toContain('tensor `blk.1.attn_q.weight`')
    expect(failure.message).toContain('Q5_K')
  })

  it.each([
    ['general.architecture', 'mamba', 'unsupported-gguf', '`general.architecture` "mamba"'],
    ['tokenizer.ggml.pre', 'kimi-k2', 'unsupported-gguf', '`tokenizer.ggml.pre` "kimi-k2"'],
    ['tokenizer.ggml.model', 'rwkv', 'unsupported-gguf', '`tokenizer.ggml.model` "rwkv"'],
    ['llama.rope.scaling.type', 5, 'damaged-gguf', 'not a text'],
    ['llama.expert_count', 8, 'unsupported-gguf', '`llama.expert_count`'],
    ['llama.rope.dimension_count', 4, 'unsupported-gguf', '`llama.rope.dimension_count` 4'],
    ['split.count', 2, 'unsupported-gguf', 'a part of a split model'],
  ])('with %s %s is refused: %s', (key, value, code, words) => {
    const { fields } = readGgufHeader(llama)
    const field: Field = typeof value === 'string' ? { type: 'string', value } : { type: 'u32', value }
    const file = temporaryFile('model.gguf', new Uint8Array())
    writeGguf(file, new Map([...fields, [key, field]]), [])
    const failure = failureOf(() => {
      openCheckpoint(file)
      loadTokenizer(file)
    })
    expect(failure.code).toBe(code)
    expect(failure.message).toContain(words)
  })

  it('whose rows are no whole blocks, or whose version is unknown, is refused', () => {
    const odd = Buffer.from(readFileSync(qwen2))
    const name = 'blk.0.attn_q.weight'
    odd.writeBigUInt64LE(33n, odd.indexOf(name) + name.length + 4)
    expect(failureOf(() => openCheckpoint(temporaryFile('m.gguf', odd))).message).toMatch(/hold 33 values/)
    const future = Buffer.from(whole)
    future.writeUInt32LE(4, 4)
    expect(failureOf(() => openCheckpoint(temporaryFile('m.gguf', future))).code).toBe('unsupported-gguf')
  })
})
