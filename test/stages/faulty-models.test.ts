/** @file Faulty checkpoints and tokenizers: each is refused before training, by what is wrong with it and where. */
import { rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import sft from '../../stages/sft/index.ts'
import { referencePath } from '../lm/reference.ts'
import { changeBytes, changeHeader, changeJson, changeTensors, copyOf, refusalOf } from './faulty-files.ts'
import { temporaryFile } from './run-stage.ts'
import { quick } from './training-runs.ts'

const weights = 'model.safetensors'
const query = 'model.layers.0.self_attn.q_proj.weight'
const filled = (size: number, value: number) => new Float32Array(size).fill(value)

/** What is wrong; how it is made of the good folder; what is said; the file that is named, in the folder. */
type Case = readonly [string, (folder: string) => void, RegExp, string | undefined]

const checkpoints: readonly Case[] = [
  [
    'weights cut off in the header',
    (folder) => truncateSync(join(folder, weights), 100),
    /header needs \d+ bytes/,
    weights,
  ],
  [
    'weights cut off in the last tensor',
    (folder) => changeBytes(folder, weights, (bytes) => bytes.subarray(0, -64)),
    /the last tensors are cut off/,
    weights,
  ],
  ['weights that are empty', (folder) => truncateSync(join(folder, weights), 0), /0 bytes/, weights],
  [
    'weights with bytes after the last tensor',
    (folder) => changeBytes(folder, weights, (bytes) => Buffer.concat([bytes, Buffer.alloc(8)])),
    /bytes follow the last tensor/,
    weights,
  ],
  [
    'a header length beyond all sense',
    (folder) =>
      changeBytes(folder, weights, (bytes) => {
        bytes.fill(0xff, 0, 7)
        return bytes
      }),
    /absurd/,
    weights,
  ],
  [
    'a header that is no JSON',
    (folder) => changeHeader(folder, weights, (header) => `x${header.slice(1)}`),
    /header is not JSON/,
    weights,
  ],
  [
    'tensors that overlap',
    (folder) =>
      changeHeader(folder, weights, (header) => {
        const json = JSON.parse(header)
        json['model.norm.weight'].data_offsets = [0, 128]
        return JSON.stringify(json)
      }),
    /overlaps|hole/,
    weights,
  ],
  [
    'a tensor of an unknown type',
    (folder) => changeHeader(folder, weights, (header) => header.replace('"F32"', '"F31"')),
    /unknown dtype `F31`/,
    weights,
  ],
  [
    'a tensor of integers',
    (folder) => changeHeader(folder, weights, (header) => header.replace('"F32"', '"I32"')),
    /is I32, which is not read as a weight/,
    weights,
  ],
  [
    'a shape that its bytes do not fill',
    (folder) => changeHeader(folder, weights, (header) => header.replace('[300,32]', '[300,33]')),
    /needs 39600 bytes and has 38400/,
    weights,
  ],
  [
    'the same tensor twice',
    (folder) =>
      changeHeader(folder, weights, (header) => {
        const json = JSON.parse(header)
        const { 'model.norm.weight': norm, ...rest } = json
        return `${JSON.stringify(rest).slice(0, -1)},"model.norm.weight":${JSON.stringify({ ...norm, data_offsets: [0, 128] })},"model.norm.weight":${JSON.stringify(norm)}}`
      }),
    /twice/,
    weights,
  ],
  [
    'a tensor that is missing',
    (folder) => changeTensors(folder, weights, ({ [query]: _, ...rest }) => rest),
    /has no tensor `.*q_proj\.weight`/,
    '',
  ],
  [
    'a tensor of another shape',
    (folder) =>
      changeTensors(folder, weights, (tensors) => ({
        ...tensors,
        [query]: { shape: [32, 16], data: filled(512, 0.1) },
      })),
    /q_proj\.weight` is \[32,16\], but config\.json makes it \[32,32\]/,
    '',
  ],
  [
    'NaN among the weights',
    (folder) =>
      changeTensors(folder, weights, (tensors) => {
        tensors[query]!.data[7] = Number.NaN
        return tensors
      }),
    /q_proj\.weight` holds NaN at index 7 \(1 of 1024 values/,
    '',
  ],
  [
    'an infinite weight',
    (folder) =>
      changeTensors(folder, weights, (tensors) => {
        tensors[query]!.data[3] = Number.NEGATIVE_INFINITY
        return tensors
      }),
    /holds -Infinity at index 3/,
    '',
  ],
  [
    'a bias that the architecture has not',
    (folder) =>
      changeTensors(folder, weights, (tensors) => ({
        ...tensors,
        'model.layers.0.self_attn.o_proj.bias': { shape: [32], data: filled(32, 0.1) },
      })),
    /o_proj\.bias/,
    '',
  ],
  [
    'more layers than config.json says',
    (folder) =>
      changeJson(folder, 'config.json', (config) => ({
        ...config,
        num_hidden_layers: 1,
        layer_types: undefined,
      })),
    /model\.layers\.1/,
    '',
  ],
  [
    'fewer layers than config.json says',
    (folder) =>
      changeJson(folder, 'config.json', (config) => ({
        ...config,
        num_hidden_layers: 3,
        layer_types: undefined,
      })),
    /has no tensor `model\.layers\.2/,
    '',
  ],
  [
    'a vocabulary larger than the embedding',
    (folder) => changeJson(folder, 'config.json', (config) => ({ ...config, vocab_size: 400 })),
    /embed_tokens\.weight` is \[300,32\], but config\.json makes it \[400,32\]/,
    '',
  ],
  [
    'weights in pickles only',
    (folder) => {
      rmSync(join(folder, weights))
      writeFileSync(join(folder, 'pytorch_model.bin'), '')
    },
    /neither model\.safetensors nor/,
    '',
  ],
  [
    'no config.json',
    (folder) => rmSync(join(folder, 'config.json')),
    /config\.json is missing/,
    'config.json',
  ],
  [
    'a config.json that is cut off',
    (folder) => truncateSync(join(folder, 'config.json'), 40),
    /config\.json is not JSON/,
    'config.json',
  ],
  [
    'a config.json that is a list',
    (folder) => changeJson(folder, 'config.json', () => []),
    /does not hold a JSON object/,
    'config.json',
  ],
  [
    'a config.json without an architecture',
    (folder) => changeJson(folder, 'config.json', () => ({})),
    /`model_type`/,
    'config.json',
  ],
  [
    'an unknown architecture',
    (folder) => changeJson(folder, 'config.json', (config) => ({ ...config, model_type: 'mamba' })),
    /`model_type` is "mamba"/,
    'config.json',
  ],
  [
    'a size that is a text',
    (folder) => changeJson(folder, 'config.json', (config) => ({ ...config, hidden_size: '32' })),
    /`hidden_size` must be a positive/,
    'config.json',
  ],
  [
    'heads that do not share key heads evenly',
    (folder) => changeJson(folder, 'config.json', (config) => ({ ...config, num_key_value_heads: 3 })),
    /`num_key_value_heads`/,
    'config.json',
  ],
  [
    'quantised weights',
    (folder) =>
      changeJson(folder, 'config.json', (config) => ({ ...config, quantization_config: { bits: 4 } })),
    /`quantization_config`/,
    'config.json',
  ],
]

const shards: readonly Case[] = [
  [
    'a shard that is missing',
    (folder) => rmSync(join(folder, 'model-00002-of-00003.safetensors')),
    /which model\.safetensors\.index\.json names, is missing/,
    'model-00002-of-00003.safetensors',
  ],
  [
    'a shard that is cut off',
    (folder) => changeBytes(folder, 'model-00002-of-00003.safetensors', (bytes) => bytes.subarray(0, -10)),
    /cut off/,
    'model-00002-of-00003.safetensors',
  ],
  [
    'an index that places a tensor in the wrong shard',
    (folder) =>
      changeJson(folder, 'model.safetensors.index.json', (index) => ({
        ...index,
        weight_map: { ...(index.weight_map as object), [query]: 'model-00003-of-00003.safetensors' },
      })),
    /places `.*` in model-00003.* which does not hold it/,
    'model.safetensors.index.json',
  ],
  [
    'an index that names a tensor nowhere',
    (folder) =>
      changeJson(folder, 'model.safetensors.index.json', (index) => {
        const { [query]: _, ...rest } = index.weight_map as Record<string, string>
        return { ...index, weight_map: rest }
      }),
    /has no tensor/,
    '',
  ],
  [
    'an index that points out of the folder',
    (folder) =>
      changeJson(folder, 'model.safetensors.index.json', (index) => ({
        ...index,
        weight_map: { [query]: '../model.safetensors' },
      })),
    /is not a file name/,
    'model.safetensors.index.json',
  ],
  [
    'an index without a map',
    (folder) => changeJson(folder, 'model.safetensors.index.json', () => ({ metadata: {} })),
    /has no `weight_map`/,
    'model.safetensors.index.json',
  ],
]

const tokenizers: readonly Case[] = [
  [
    'no tokenizer.json',
    (folder) => rmSync(join(folder, 'tokenizer.json')),
    /tokenizer\.json is missing/,
    'tokenizer.json',
  ],
  [
    'a tokenizer.json that is cut off',
    (folder) => truncateSync(join(folder, 'tokenizer.json'), 500),
    /tokenizer\.json is not JSON/,
    'tokenizer.json',
  ],
  [
    'a tokenizer.json without a model',
    (folder) => changeJson(folder, 'tokenizer.json', ({ model: _, ...rest }) => rest),
    /tokenizer\.json/,
    'tokenizer.json',
  ],
  [
    'a tokenizer of an unknown kind',
    (folder) =>
      changeJson(folder, 'tokenizer.json', (json) => ({ ...json, model: { type: 'Morse', vocab: {} } })),
    /tokenizer\.json.*Morse/,
    'tokenizer.json',
  ],
  [
    'a vocabulary that is no map',
    (folder) =>
      changeJson(folder, 'tokenizer.json', (json) => ({
        ...json,
        model: { ...(json.model as object), vocab: 5 },
      })),
    /vocab/,
    'tokenizer.json',
  ],
  [
    'tokens beyond the embedding',
    (folder) =>
      changeJson(folder, 'tokenizer.json', (json) => {
        const { vocab, ...model } = json.model as { vocab: Record<string, number> }
        return { ...json, model: { ...model, vocab: { ...vocab, H: 300 } } }
      }),
    /token 300, but the model has 300 tokens/,
    '',
  ],
  [
    'a chat template with a mistake',
    (folder) =>
      writeFileSync(join(folder, 'chat_template.jinja'), '{% for message in messages %}{{ message.content }'),
    /chat template/,
    '',
  ],
  [
    'neither a chat template nor an end token',
    (folder) => {
      rmSync(join(folder, 'chat_template.jinja'))
      changeJson(folder, 'tokenizer_config.json', ({ chat_template: _, eos_token: __, ...rest }) => rest)
    },
    /neither a chat template nor an end token/,
    '',
  ],
]

describe.each([
  ['a checkpoint', 'qwen2', checkpoints],
  ['a sharded checkpoint', 'qwen2-sharded', shards],
  ['a tokenizer', 'qwen2', tokenizers],
] as const)('%s', (_, model, cases) => {
  it.each(cases)('%s', async (_, spoil, message, file) => {
    const folder = copyOf(referencePath(`models/${model}`))
    spoil(folder)
    const rows = temporaryFile('rows.jsonl', [{ instruction: 'Hi', output: 'Hello' }])
    const refusal = await refusalOf(sft, { model: folder, data: { rows } }, quick)
    expect(refusal.message).toMatch(message)
    expect(refusal.file).toBe(file === undefined ? undefined : join(folder, file))
  })
})
