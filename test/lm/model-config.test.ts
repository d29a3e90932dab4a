/** @file Configurations that this decoder does not compute: refused by the name of the field, with nothing else read. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { LmFailure } from '../../lm/failure.ts'
import { decoderConfig } from '../../lm/model/config.ts'
import { loadModel } from '../../lm/model/model.ts'
import { referencePath } from './reference.ts'

type Fields = Record<string, unknown>

const scratch = mkdtempSync(join(tmpdir(), 'flow-config-'))
afterAll(() => rmSync(scratch, { recursive: true }))

function configOf(model: string): Fields {
  return JSON.parse(readFileSync(referencePath(`models/${model}/config.json`), 'utf8')) as Fields
}

/** How a folder that holds nothing but a changed configuration fails. */
function failureOf(model: string, changes: Fields): LmFailure {
  const folder = mkdtempSync(join(scratch, 'model-'))
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...configOf(model), ...changes }))
  try {
    loadModel(folder)
  } catch (error) {
    if (error instanceof LmFailure) return error
    throw error
  }
  throw new Error('the model loaded')
}

const text = (changes: Fields, model = 'gemma3') => ({
  text_config: { ...(configOf(model).text_config as Fields), ...changes },
})
const unsupported = 'unsupported-model'
const invalid = 'invalid-model-config'

it.each<[model: string, changes: Fields, code: string, message: string]>([
  ['llama', { model_type: 'mixtral' }, unsupported, '`model_type` is "mixtral", which is not supported'],
  ['llama', { model_type: undefined }, unsupported, '`model_type` is missing'],
  ['llama', { model_type: 'toString' }, unsupported, '`model_type` is "toString", which is not supported'],
  ['llama', { hidden_act: 'gelu' }, unsupported, '`hidden_act` is "gelu", which is not supported'],
  ['llama', { pretraining_tp: 2 }, unsupported, '`pretraining_tp` is 2, which is not supported'],
  ['llama', { attention_dropout: 0.1 }, unsupported, '`attention_dropout` is 0.1, which is not supported'],
  ['llama', { attention_bias: 'yes' }, invalid, '`attention_bias` must be true or false, not "yes"'],
  [
    'llama',
    { quantization_config: { bits: 4 } },
    unsupported,
    '`quantization_config` is {"bits":4}, which is not supported',
  ],
  [
    'llama',
    { hidden_size: undefined },
    invalid,
    '`hidden_size` is missing; it must be a positive whole number',
  ],
  ['llama', { vocab_size: '300' }, invalid, '`vocab_size` must be a positive whole number, not "300"'],
  [
    'llama',
    { num_hidden_layers: 2.5 },
    invalid,
    '`num_hidden_layers` must be a positive whole number, not 2.5',
  ],
  ['llama', { intermediate_size: 0 }, invalid, '`intermediate_size` must be a positive whole number, not 0'],
  ['llama', { rms_norm_eps: -1e-6 }, invalid, '`rms_norm_eps` must be a positive number, not -0.000001'],
  ['llama', { num_key_value_heads: 3 }, unsupported, '`num_key_value_heads` is 3, which is not supported'],
  ['llama', { head_dim: 7 }, unsupported, '`head_dim` is 7, which is not supported'],
  ['llama', { head_dim: null, num_attention_heads: 6 }, unsupported, '`num_attention_heads` is 6'],
  ['llama', { tie_word_embeddings: 1 }, invalid, '`tie_word_embeddings` must be true or false, not 1'],
  ['llama', { partial_rotary_factor: 0.5 }, unsupported, '`partial_rotary_factor` is 0.5'],
  ['llama', { rope_theta: 0 }, invalid, '`rope_theta` must be a positive number, not 0'],
  ['llama', { rope_parameters: 'default' }, invalid, '`rope_parameters` must be an object, not "default"'],
  [
    'llama',
    { rope_scaling: { rope_type: 'longrope', factor: 4 } },
    unsupported,
    '`rope_scaling.rope_type` is "longrope", which is not supported',
  ],
  [
    'llama',
    { rope_scaling: { type: 'dynamic', factor: 2 } },
    unsupported,
    '`rope_scaling.type` is "dynamic", which is not supported',
  ],
  [
    'llama3',
    { rope_parameters: { rope_type: 'llama3', factor: 8 } },
    invalid,
    '`rope_parameters.low_freq_factor` is missing',
  ],
  ['llama', { rope_scaling: { type: 'linear' } }, invalid, '`rope_scaling.factor` is missing'],
  ['qwen2', { layer_types: ['full_attention'] }, unsupported, '`layer_types` is ["full_attention"]'],
  [
    'qwen3',
    { layer_types: ['full_attention', 'linear_attention'] },
    unsupported,
    '`layer_types` is ["full_attention","linear_attention"], which is not supported',
  ],
  [
    'qwen3',
    { layer_types: ['full_attention', 'sliding_attention'], sliding_window: 8 },
    unsupported,
    '`layer_types` is ["full_attention","sliding_attention"]',
  ],
  ['mistral', { sliding_window: 0 }, invalid, '`sliding_window` must be a positive whole number, not 0'],
  ['mistral', { hidden_act: 'relu' }, unsupported, '`hidden_act` is "relu", which is not supported'],
  ['gemma3-text', { hidden_activation: 'gelu' }, unsupported, '`hidden_activation` is "gelu"'],
  ['gemma3-text', { final_logit_softcapping: 30 }, unsupported, '`final_logit_softcapping` is 30'],
  ['gemma3-text', { attn_logit_softcapping: 50 }, unsupported, '`attn_logit_softcapping` is 50'],
  [
    'gemma3-text',
    { use_bidirectional_attention: true },
    unsupported,
    '`use_bidirectional_attention` is true',
  ],
  [
    'gemma3-text',
    { query_pre_attn_scalar: -1 },
    invalid,
    '`query_pre_attn_scalar` must be a positive number',
  ],
  ['gemma3-text', { sliding_window: null }, unsupported, '`sliding_window` is missing'],
  [
    'gemma3-text',
    { rope_parameters: { full_attention: { rope_type: 'ntk' } } },
    unsupported,
    '`rope_parameters.full_attention.rope_type` is "ntk", which is not supported',
  ],
  [
    'gemma3',
    text({ final_logit_softcapping: 30 }),
    unsupported,
    '`text_config.final_logit_softcapping` is 30',
  ],
  ['gemma3', { text_config: [] }, invalid, '`text_config` must be an object, not []'],
  [
    'qwen2-vl',
    text({ rope_parameters: { rope_type: 'dynamic' } }, 'qwen2-vl'),
    unsupported,
    '`text_config.rope_parameters.rope_type` is "dynamic"',
  ],
  ['qwen2', { rope_scaling: { type: 'mrope' } }, unsupported, '`rope_scaling.type` is "mrope"'],
])('%s with %j', (model, changes, code, message) => {
  const failure = failureOf(model, changes)
  expect(failure.code).toBe(code)
  expect(failure.message).toContain(message)
  expect(failure.file).toMatch(/config\.json$/)
  if (code === unsupported) expect(failure.hint).toBeDefined()
})

it('a configuration that is as it should be is not what fails', () => {
  expect(failureOf('llama', {})).toMatchObject({ code: 'missing-file' })
})

describe('fields that may be absent or null', () => {
  it('Mistral slides by default and not where its window is null', () => {
    const { sliding_window: _, ...fields } = configOf('mistral')
    expect(decoderConfig(fields, '')).toMatchObject({ window: 4096, layerKinds: ['sliding', 'sliding'] })
    const none = decoderConfig({ ...fields, sliding_window: null }, '')
    expect(none).toMatchObject({ window: undefined, layerKinds: ['full', 'full'] })
  })

  it('Qwen slides from max_window_layers on, where it is told to', () => {
    const { layer_types: _, ...fields } = configOf('qwen3')
    const slides = { ...fields, use_sliding_window: true, sliding_window: 16, max_window_layers: 1 }
    expect(decoderConfig(slides, '')).toMatchObject({ window: 16, layerKinds: ['full', 'sliding'] })
    expect(decoderConfig({ ...slides, max_window_layers: 0 }, '').layerKinds).toEqual(['sliding', 'sliding'])
    expect(decoderConfig({ ...slides, use_sliding_window: false }, '').window).toBeUndefined()
  })

  it('a published Gemma 3 of 4 billion parameters names only what differs from the defaults', () => {
    const config = decoderConfig(
      {
        model_type: 'gemma3',
        text_config: {
          hidden_size: 2560,
          intermediate_size: 10240,
          model_type: 'gemma3_text',
          num_hidden_layers: 34,
          rope_scaling: { factor: 8, rope_type: 'linear' },
          sliding_window: 1024,
        },
        vision_config: { hidden_size: 1152 },
      },
      '',
    )
    expect(config).toMatchObject({
      vocabularySize: 262_208,
      heads: 8,
      keyValueHeads: 4,
      headSize: 256,
      queryScale: 1 / 16,
      window: 1024,
      tiedEmbeddings: true,
      maxPositions: 131_072,
    })
    expect(config.layerKinds.filter((kind) => kind === 'full')).toHaveLength(5)
    expect(config.layerKinds[5]).toBe('full')
  })
})
