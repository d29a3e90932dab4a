/** @file Faulty adapters, and adapters of other models: each is refused before training, by what is wrong with it. */
import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import sft from '../../stages/sft/index.ts'
import { referencePath } from '../lm/reference.ts'
import {
  changeBytes,
  changeHeader,
  changeJson,
  changeTensors,
  copyOf,
  refusalOf,
  type Tensors,
} from './faulty-files.ts'
import { temporaryFile } from './run-stage.ts'
import { policy, quick } from './training-runs.ts'

const weights = 'adapter_model.safetensors'
const config = 'adapter_config.json'
const query = 'base_model.model.model.layers.0.self_attn.q_proj'
const filled = (...shape: number[]) => ({
  shape,
  data: new Float32Array(shape.reduce((a, b) => a * b)).fill(0.1),
})

const settings = (change: object) => (folder: string) =>
  changeJson(folder, config, (json) => ({ ...json, ...change }))
const tensors = (change: (tensors: Tensors) => Tensors) => (folder: string) =>
  changeTensors(folder, weights, change)
const without = (name: RegExp) =>
  tensors((all) => Object.fromEntries(Object.entries(all).filter(([each]) => !name.test(each))))

/** What is wrong; how it is made of a good folder; what is said; the file that is named, in the folder. */
type Case = readonly [string, (folder: string) => void, RegExp, string]

const plain: readonly Case[] = [
  ['no configuration', (folder) => rmSync(join(folder, config)), /adapter_config\.json is missing/, config],
  [
    'a configuration that is cut off',
    (folder) => truncateSync(join(folder, config), 50),
    /adapter_config\.json is not JSON/,
    config,
  ],
  [
    'a configuration that is a list',
    (folder) => changeJson(folder, config, () => []),
    /does not hold a JSON object/,
    config,
  ],
  ['no kind', settings({ peft_type: undefined }), /`peft_type`/, config],
  ['another kind', settings({ peft_type: 'IA3' }), /`peft_type` "IA3" is not supported/, config],
  ['rank 0', settings({ r: 0 }), /`r` in .* is 0/, config],
  ['a rank that is a text', settings({ r: '4' }), /`r` in .* is "4"/, config],
  ['no alpha', settings({ lora_alpha: undefined }), /`lora_alpha` in .* is missing/, config],
  ['no targets', settings({ target_modules: null }), /`target_modules` in .* is null/, config],
  [
    'targets that are numbers',
    settings({ target_modules: [1, 2] }),
    /`target_modules` in .* is \[1,2\]/,
    config,
  ],
  [
    'a pattern that is none',
    settings({ target_modules: '.*(q_proj' }),
    /regular expression ".*q_proj" cannot be used/,
    config,
  ],
  ["a pattern beyond JavaScript's", settings({ target_modules: '(?i).*Q_PROJ' }), /`\(\?i\)`/, config],
  [
    'layers beside a pattern',
    settings({ target_modules: '.*_proj', layers_to_transform: [0] }),
    /does not go with/,
    config,
  ],
  ['a dropout of 1', settings({ lora_dropout: 1 }), /`lora_dropout` in .* is 1/, config],
  [
    'whole modules beside it',
    settings({ modules_to_save: ['lm_head'] }),
    /`modules_to_save` is not supported/,
    config,
  ],
  ['trained biases', settings({ bias: 'all' }), /`bias` is not supported/, config],
  ['quantisation-aware LoRA', settings({ use_qalora: true }), /`use_qalora` is not supported/, config],
  [
    'an initialisation that changed the base',
    settings({ init_lora_weights: 'pissa' }),
    /`init_lora_weights` is not supported/,
    config,
  ],
  ['no weights', (folder) => rmSync(join(folder, weights)), /has no adapter_model\.safetensors/, ''],
  [
    'weights in pickles only',
    (folder) => {
      rmSync(join(folder, weights))
      writeFileSync(join(folder, 'adapter_model.bin'), '')
    },
    /has no adapter_model\.safetensors/,
    '',
  ],
  [
    'weights that are cut off',
    (folder) => changeBytes(folder, weights, (bytes) => bytes.subarray(0, -4)),
    /cut off/,
    weights,
  ],
  ['weights without a tensor', tensors(() => ({})), /it holds no tensors/, weights],
  [
    'weights that are integers',
    (folder) => changeHeader(folder, weights, (header) => header.replaceAll('"F32"', '"I32"')),
    /is I32/,
    weights,
  ],
  [
    'a module without lora_B',
    without(/layers\.0\.self_attn\.q_proj\.lora_B/),
    /it has no `.*q_proj\.lora_B\.weight`/,
    weights,
  ],
  [
    'a module without lora_A',
    without(/layers\.1\.mlp\.up_proj\.lora_A/),
    /it has no `.*up_proj\.lora_A\.weight`/,
    weights,
  ],
  [
    'two ranks in one module',
    tensors((all) => ({ ...all, [`${query}.lora_A.weight`]: filled(3, 32) })),
    /lora_A of rank 3 and a lora_B of rank 4/,
    weights,
  ],
  [
    'a matrix of three dimensions',
    tensors((all) => ({ ...all, [`${query}.lora_A.weight`]: filled(4, 32, 1) })),
    /has the shape \[4,32,1\]/,
    weights,
  ],
  [
    'NaN',
    tensors((all) => {
      all[`${query}.lora_B.weight`]!.data[5] = Number.NaN
      return all
    }),
    /q_proj\.lora_B\.weight` holds NaN at index 5/,
    weights,
  ],
  [
    'an infinity',
    tensors((all) => {
      all[`${query}.lora_A.weight`]!.data[0] = Infinity
      return all
    }),
    /holds Infinity at index 0/,
    weights,
  ],
  [
    'a trained output layer',
    tensors((all) => ({ ...all, 'base_model.model.lm_head.weight': filled(300, 32) })),
    /its tensor `base_model\.model\.lm_head\.weight` is not supported/,
    weights,
  ],
  [
    'an adapted embedding',
    tensors((all) => ({ ...all, 'base_model.model.model.embed_tokens.lora_embedding_A': filled(4, 300) })),
    /lora_embedding_A` is not supported/,
    weights,
  ],
  [
    'one tensor under two names',
    tensors((all) => ({ ...all, [`${query}.lora_A.default.weight`]: filled(4, 32) })),
    /under two names/,
    weights,
  ],
  [
    'magnitudes without DoRA',
    tensors((all) => ({ ...all, [`${query}.lora_magnitude_vector`]: filled(32) })),
    /has magnitudes, but `use_dora` is false/,
    weights,
  ],
  ['DoRA without magnitudes', settings({ use_dora: true }), /it has no `.*lora_magnitude_vector`/, weights],
  [
    'another rank than its tensors',
    settings({ r: 8 }),
    /has rank 4, and adapter_config\.json makes it 8/,
    '',
  ],
  [
    'another rank by pattern',
    settings({ rank_pattern: { 'layers.1.*': 2 } }),
    /`model\.layers\.1\.self_attn\.q_proj` has rank 4, and .* makes it 2/,
    '',
  ],
  [
    'more targets than tensors',
    without(/q_proj/),
    /it has no `.*layers\.0\.self_attn\.q_proj\.lora_A\.weight`/,
    '',
  ],
  [
    'more tensors than targets',
    settings({ target_modules: ['q_proj'] }),
    /belongs to no targeted module/,
    '',
  ],
  ['one layer too few', without(/layers\.1\./), /it has no `.*layers\.1\..*lora_A\.weight`/, ''],
  [
    'one layer too many',
    tensors((all) => ({
      ...all,
      ...Object.fromEntries(
        Object.entries(all).map(([name, each]) => [name.replace('layers.1.', 'layers.2.'), each]),
      ),
    })),
    /layers\.2\..* belongs to no targeted module of the model/,
    '',
  ],
  [
    'matrices of another width',
    tensors((all) => ({ ...all, [`${query}.lora_A.weight`]: filled(4, 64) })),
    /`model\.layers\.0\.self_attn\.q_proj` is \[32, 32\], its .* \[4, 64\]/,
    '',
  ],
]

const dora: readonly Case[] = [
  [
    'one magnitude too many',
    tensors((all) => ({ ...all, [`${query}.lora_magnitude_vector`]: filled(33) })),
    /32 outputs and 33 magnitudes/,
    weights,
  ],
  [
    'magnitudes that are no numbers',
    tensors((all) => {
      all[`${query}.lora_magnitude_vector`]!.data[1] = Number.NaN
      return all
    }),
    /lora_magnitude_vector` holds NaN at index 1/,
    weights,
  ],
]

const rows = () => temporaryFile('rows.jsonl', [{ instruction: 'Hi', output: 'Hello' }])
const refusal = (adapter: string) => refusalOf(sft, { ...policy, adapter, data: { rows: rows() } }, quick)

describe.each([
  ['an adapter with', 'qwen2', plain],
  ['a DoRA adapter with', 'qwen2-dora', dora],
] as const)('%s', (_, adapter, cases) => {
  it.each(cases)('%s', async (_, spoil, message, file) => {
    const folder = copyOf(referencePath(`adapters/${adapter}`))
    spoil(folder)
    const { message: said, file: named } = await refusal(folder)
    expect(said).toMatch(message)
    expect(named).toBe(join(folder, file))
  })
})

describe('what is taken for an adapter', () => {
  it.each([
    [
      'an adapter of another model',
      () => referencePath('adapters/llama'),
      /does not fit the model: `model\.layers\.0\.mlp\.gate_proj` is \[64, 32\]/,
    ],
    [
      'a DoRA adapter of another model',
      () => referencePath('adapters/llama-dora-rslora'),
      /does not fit the model: `model\.layers\.0\.mlp\.down_proj` is \[32, 64\]/,
    ],
    ['a model', () => policy.model, /adapter_config\.json is missing/],
    ['a file', rows, /is not a folder/],
  ])('%s', async (_, path, message) => {
    expect((await refusal(path())).message).toMatch(message)
  })
})
