import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openCheckpoint } from '../../lm/checkpoint/folder.ts'
import { readAdapter, writeAdapter } from '../../lm/checkpoint/peft.ts'
import { openSafetensors, writeSafetensors } from '../../lm/checkpoint/safetensors.ts'
import { type LoraSettings, plainLora } from '../../lm/model/lora.ts'
import { failureOf } from './failure-of.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flow-checkpoint-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const put = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value))
const tensor = (...values: number[]) => ({ shape: [values.length], data: Float32Array.from(values) })

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
  const settings: LoraSettings = { ...plainLora, r: 2, alpha: 4, targets: ['v_proj', 'q_proj'] }
  const written = new Map(Object.entries(tensors))
  const options = { settings, baseModel: 'checkpoints/tiny-base', tensors: written }

  test('reads what was written', () => {
    const full: LoraSettings = {
      ...settings,
      targets: ['q_proj', 'v_proj'],
      dropout: 0.05,
      rslora: true,
      exclude: 'model\\.layers\\.1\\..*',
      layers: [0],
      layersPattern: ['layers'],
      rankPattern: { q_proj: 2 },
      alphaPattern: { '^model.layers.0.self_attn.q_proj': 3 },
    }
    writeAdapter(folder, { ...options, settings: full })
    const adapter = readAdapter(folder)
    expect(adapter.settings).toEqual(full)
    expect(adapter.tensors.get(`${base}.lora_B.weight`)).toEqual(tensors[`${base}.lora_B.weight`])
  })

  test('bytes do not depend on the order of tensors and modules', () => {
    writeAdapter(folder, options)
    const other = join(folder, 'other')
    const reversed = new Map([...written].reverse())
    writeAdapter(other, {
      ...options,
      settings: { ...settings, targets: ['q_proj', 'v_proj'] },
      tensors: reversed,
    })
    for (const file of ['adapter_config.json', 'adapter_model.safetensors']) {
      expect(readFileSync(join(other, file)).equals(readFileSync(join(folder, file)))).toBe(true)
    }
  })

  test.each([
    [`${base}.lora_A.default.weight`, `${base}.lora_B.default.weight`, undefined],
    [
      'model.layers.0.self_attn.q_proj.lora_A.weight',
      'model.layers.0.self_attn.q_proj.lora_B.weight',
      undefined,
    ],
    [
      'base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight',
      'base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_B.weight',
      'model.language_model',
    ],
  ])('reads tensors named %s', (a, b, decoderPath) => {
    writeAdapter(folder, options)
    writeSafetensors(join(folder, 'adapter_model.safetensors'), { [a]: matrix(2, 4), [b]: matrix(3, 2) })
    const adapter = readAdapter(folder)
    expect([...adapter.tensors.keys()]).toEqual(Object.keys(tensors))
    expect(adapter.settings.decoderPath).toBe(decoderPath)
    if (decoderPath === undefined) return
    writeAdapter(folder, { ...options, settings: adapter.settings, tensors: adapter.tensors })
    expect(openSafetensors(join(folder, 'adapter_model.safetensors')).names).toEqual([a, b])
  })

  test.each([
    ['use_qalora', true],
    ['use_bdlora', { nblocks: 2 }],
    ['lora_bias', true],
    ['bias', 'all'],
    ['modules_to_save', ['lm_head']],
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
    expect(readAdapter(folder).settings).toEqual({ ...settings, targets: ['q_proj'] })
  })

  test('refuses what does not fit together', () => {
    const of = (...entries: [string, ReturnType<typeof matrix>][]) => ({ tensors: new Map(entries) })
    const [a, b] = [...written] as [[string, ReturnType<typeof matrix>], [string, ReturnType<typeof matrix>]]
    const magnitude = (size: number): [string, ReturnType<typeof tensor>] => [
      `${base}.lora_magnitude_vector`,
      tensor(...new Array<number>(size).fill(1)),
    ]
    const dora = { settings: { ...settings, dora: true } }
    const cases: [object, RegExp][] = [
      [of(a), /has no `.*lora_B\.weight`/],
      [of(b), /has no `.*lora_A\.weight`/],
      [of(), /no tensors/],
      [of(a, [b[0], matrix(3, 5)]), /lora_A of rank 2 and a lora_B of rank 5/],
      [of(a, b, magnitude(3)), /has magnitudes, but `use_dora` is false/],
      [{ ...dora }, /has no `.*lora_magnitude_vector`/],
      [{ ...dora, ...of(a, b, magnitude(4)) }, /3 outputs and 4 magnitudes/],
      [of(a, b, [`${base}.lora_embedding_A`, matrix(2, 4)]), /lora_embedding_A` is not supported/],
      [
        of([a[0], { shape: [2, 4], data: new Float32Array(8).fill(Number.NaN) }], b),
        /8 of 8 values are no numbers/,
      ],
      [{ settings: { ...settings, dropout: 1 } }, /`lora_dropout`/],
      [{ settings: { ...settings, r: 0.5 } }, /`r`/],
      [{ settings: { ...settings, targets: '(?i)q_proj' } }, /regular expression/],
      [{ settings: { ...settings, targets: '.*q_proj', layers: [0] } }, /`layers_to_transform`/],
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
