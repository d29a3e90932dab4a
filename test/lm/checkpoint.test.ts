import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openCheckpoint } from '../../lm/checkpoint/folder.ts'
import { readAdapter, writeAdapter } from '../../lm/checkpoint/peft.ts'
import { writeSafetensors } from '../../lm/checkpoint/safetensors.ts'
import type { LmFailure } from '../../lm/failure.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flow-checkpoint-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const put = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value))
const tensor = (...values: number[]) => ({ shape: [values.length], data: Float32Array.from(values) })

function failureOf(action: () => unknown): LmFailure {
  try {
    action()
  } catch (error) {
    expect((error as Error).name).toBe('LmFailure')
    return error as LmFailure
  }
  throw new Error('nothing failed')
}

describe('a model folder', () => {
  test('of one file', () => {
    put('config.json', { model_type: 'qwen2' })
    writeSafetensors(join(folder, 'model.safetensors'), { a: tensor(1, 2), b: tensor(3) })
    const checkpoint = openCheckpoint(folder)
    expect(checkpoint.config).toEqual({ model_type: 'qwen2' })
    expect([...checkpoint.names].sort()).toEqual(['a', 'b'])
    expect(checkpoint.has('a')).toBe(true)
    expect([...checkpoint.tensor('a').data]).toEqual([1, 2])
    expect(failureOf(() => checkpoint.tensor('lm_head.weight'))).toMatchObject({ code: 'missing-tensor' })
  })

  test('of several shards', () => {
    put('config.json', {})
    writeSafetensors(join(folder, 'model-1.safetensors'), { a: tensor(1) })
    writeSafetensors(join(folder, 'model-2.safetensors'), { b: tensor(2) }, { dtype: 'BF16' })
    put('model.safetensors.index.json', {
      metadata: { total_size: 6 },
      weight_map: { a: 'model-1.safetensors', b: 'model-2.safetensors' },
    })
    const checkpoint = openCheckpoint(folder)
    expect(checkpoint.names).toEqual(['a', 'b'])
    expect([...checkpoint.tensor('b').data]).toEqual([2])
    expect(checkpoint.info('b').dtype).toBe('BF16')
  })

  test('faults name the file', () => {
    expect(failureOf(() => openCheckpoint(folder)).message).toMatch(/config\.json is missing/)
    writeFileSync(join(folder, 'config.json'), '{')
    expect(failureOf(() => openCheckpoint(folder))).toMatchObject({ code: 'invalid-json' })
    put('config.json', [])
    expect(failureOf(() => openCheckpoint(folder))).toMatchObject({ code: 'invalid-json' })
    put('config.json', {})
    expect(failureOf(() => openCheckpoint(folder)).message).toMatch(/neither model\.safetensors nor/)
    put('pytorch_model.bin', 0)
    expect(failureOf(() => openCheckpoint(folder)).hint).toMatch(/safe_serialization/)
    put('model.safetensors.index.json', {})
    expect(failureOf(() => openCheckpoint(folder))).toMatchObject({ code: 'damaged-index' })
    put('model.safetensors.index.json', { weight_map: { a: '../a.safetensors' } })
    expect(failureOf(() => openCheckpoint(folder)).message).toMatch(/not a file name/)
    put('model.safetensors.index.json', { weight_map: { a: 'model-1.safetensors' } })
    expect(failureOf(() => openCheckpoint(folder)).message).toMatch(/model-1\.safetensors.* is missing/)
    writeSafetensors(join(folder, 'model-1.safetensors'), { b: tensor(1) })
    expect(failureOf(() => openCheckpoint(folder)).message).toMatch(/does not hold it/)
  })
})

describe('an adapter folder', () => {
  const base = 'base_model.model.model.layers.0.self_attn.q_proj'
  const matrix = (rows: number, columns: number) => ({
    shape: [rows, columns],
    data: Float32Array.from({ length: rows * columns }, (_, i) => i / 8),
  })
  const tensors = { [`${base}.lora_A.weight`]: matrix(2, 4), [`${base}.lora_B.weight`]: matrix(3, 2) }
  const options = {
    baseModel: 'checkpoints/tiny-base',
    r: 2,
    alpha: 4,
    targetModules: ['v_proj', 'q_proj'],
    tensors,
  }

  test('reads what was written', () => {
    writeAdapter(folder, { ...options, dropout: 0.05, rslora: true })
    const adapter = readAdapter(folder)
    expect(adapter.config).toEqual({
      baseModel: 'checkpoints/tiny-base',
      r: 2,
      alpha: 4,
      dropout: 0.05,
      rslora: true,
      targetModules: ['q_proj', 'v_proj'],
    })
    expect(adapter.tensors.get(`${base}.lora_B.weight`)).toEqual(tensors[`${base}.lora_B.weight`])
  })

  test('bytes do not depend on the order of tensors and modules', () => {
    writeAdapter(folder, options)
    const other = join(folder, 'other')
    const reversed = new Map(Object.entries(tensors).reverse())
    writeAdapter(other, { ...options, targetModules: ['q_proj', 'v_proj'], tensors: reversed })
    for (const file of ['adapter_config.json', 'adapter_model.safetensors']) {
      expect(readFileSync(join(other, file)).equals(readFileSync(join(folder, file)))).toBe(true)
    }
  })

  test.each([
    ['use_dora', true],
    ['lora_bias', true],
    ['bias', 'all'],
    ['modules_to_save', ['lm_head']],
    ['rank_pattern', { q_proj: 4 }],
    ['alpha_pattern', { q_proj: 4 }],
    ['trainable_token_indices', [1]],
    ['layer_replication', [[0, 1]]],
    ['fan_in_fan_out', true],
    ['init_lora_weights', 'pissa'],
    ['peft_type', 'IA3'],
  ])('refuses `%s` by name', (field, value) => {
    writeAdapter(folder, options)
    const config = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'))
    put('adapter_config.json', { ...config, [field]: value })
    const failure = failureOf(() => readAdapter(folder))
    expect(failure.code).toBe('unsupported-adapter')
    expect(failure.message).toContain(`\`${field}\``)
  })

  test('reads a config of few fields', () => {
    writeAdapter(folder, options)
    put('adapter_config.json', { peft_type: 'LORA', r: 2, lora_alpha: 4, target_modules: ['q_proj'] })
    expect(readAdapter(folder).config).toMatchObject({ dropout: 0, rslora: false, baseModel: '' })
  })

  test('refuses what does not fit together', () => {
    const cases: [object, RegExp][] = [
      [{ r: 3 }, /does not fit rank 3/],
      [{ tensors: { [`${base}.lora_A.weight`]: matrix(2, 4) } }, /stands without/],
      [{ tensors: {} }, /no tensors/],
      [
        { tensors: { [`${base}.lora_magnitude_vector`]: tensor(1) } },
        /lora_magnitude_vector` is not supported/,
      ],
      [{ dropout: 1 }, /`lora_dropout`/],
      [{ r: 0.5 }, /`r`/],
    ]
    for (const [change, message] of cases) {
      const at = join(folder, 'case')
      mkdirSync(at, { recursive: true })
      writeAdapter(at, { ...options, ...change })
      expect(failureOf(() => readAdapter(at)).message).toMatch(message)
    }
    rmSync(join(folder, 'case', 'adapter_model.safetensors'))
    expect(failureOf(() => readAdapter(join(folder, 'case'))).code).toMatch(/missing-file|damaged-adapter/)
  })
})
