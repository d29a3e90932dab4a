/** @file The learning types: what a good value says of itself, and what is said of a broken one. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ArtifactDefinition, ArtifactFault } from '../../engine/artifacts/define.ts'
import { writeAdapter } from '../../lm/checkpoint/peft.ts'
import { writeSafetensors } from '../../lm/checkpoint/safetensors.ts'
import { decoderConfig } from '../../lm/model/config.ts'
import { initialWeights } from '../../lm/model/initialise.ts'
import { plainLora } from '../../lm/model/lora.ts'
import { adapter } from '../../stages/artifacts/adapter.ts'
import { dataset } from '../../stages/artifacts/dataset.ts'
import { documents } from '../../stages/artifacts/documents.ts'
import { instructions } from '../../stages/artifacts/instructions.ts'
import { judged, judgedFull, samples } from '../../stages/artifacts/judged.ts'
import { metrics } from '../../stages/artifacts/metrics.ts'
import { model } from '../../stages/artifacts/model.ts'
import { preferences } from '../../stages/artifacts/preferences.ts'
import { prompts, questions } from '../../stages/artifacts/prompts.ts'
import { report } from '../../stages/artifacts/report.ts'
import { responses } from '../../stages/artifacts/responses.ts'
import { rewardFunction } from '../../stages/artifacts/reward-function.ts'
import { rewardGroups, rewards } from '../../stages/artifacts/rewards.ts'
import { rollouts } from '../../stages/artifacts/rollouts.ts'
import { tokenizer } from '../../stages/artifacts/tokenizer.ts'
import { trainingLog } from '../../stages/artifacts/training-log.ts'
import { temporaryFile, temporaryFolder } from './run-stage.ts'

async function faultsIn(type: ArtifactDefinition, path: string): Promise<ArtifactFault[]> {
  const faults: ArtifactFault[] = []
  for await (const fault of type.validate(path)) faults.push(fault)
  return faults
}

const candidate = { response: 'a', score: 4, judge_output: 'Score: 4', votes: [4, null] }
const judgedRow = {
  instruction: 'p',
  candidates: [candidate, { ...candidate, response: 'b', score: null }],
  chosen: 'a',
  chosen_score: 4,
  rejected: 'b',
  rejected_score: 1,
}
const sampled = { text: 'a', token_ids: [5, 2], logps: [-1, -0.5], finished: true }

/** Type, a good row, what its file says of itself, and broken rows with a word of their fault. */
const rowTypes: readonly [ArtifactDefinition, object, string, readonly (readonly [object, RegExp])[]][] = [
  [
    documents,
    { text: 'Once.' },
    '1 document',
    [
      [{ text: '' }, /`text` is empty/],
      [{ body: 'x' }, /`text`/],
    ],
  ],
  [
    instructions,
    { instruction: 'Add.', input: '', output: '5' },
    '1 conversation',
    [
      [{ instruction: 'Add.' }, /`output`/],
      [{ messages: [{ role: 'user', content: 'x' }] }, /assistant/],
      [{ question: 'x' }, /`instruction`, `messages`/],
    ],
  ],
  [
    prompts,
    { prompt: 'Hi' },
    '1 prompt',
    [
      [{ prompt: ' ' }, /empty/],
      [{ text: 'x' }, /`prompt`/],
    ],
  ],
  [questions, { prompt: '2+3?', answer: '5', task: 'add' }, '1 question', [[{ prompt: '2+3?' }, /`answer`/]]],
  [
    responses,
    { prompt: 'p', responses: [sampled, sampled] },
    '1 prompt, 2 candidates',
    [
      [{ prompt: 'p', responses: [] }, /empty list/],
      [{ prompt: 'p', responses: [{ ...sampled, logps: [-1] }] }, /1 log-probabilities for 2 tokens/],
      [{ prompt: 'p', responses: [{ text: 'a', logps: [-1] }] }, /1 log-probabilities for no tokens/],
    ],
  ],
  [
    judged,
    judgedRow,
    '1 prompt, 1 of 2 candidates scored',
    [
      [{ ...judgedRow, candidates: [{ response: 'a', score: '4' }] }, /`score`.*string/],
      [{ ...judgedRow, chosen: null, rejected: null }, /judged-full/],
    ],
  ],
  [
    judgedFull,
    { ...judgedRow, chosen: null, rejected: null, has_valid_pair: false },
    '1 prompt, 1 of 2 candidates scored',
    [[judgedRow, /has_valid_pair/]],
  ],
  [
    preferences,
    { prompt: 'p', chosen: 'a', rejected: 'b' },
    '1 pair',
    [
      [{ prompt: 'p', chosen: 'a' }, /`rejected`/],
      [{ prompt: 'p', chosen: 'a', rejected: 'a' }, /same text/],
    ],
  ],
  [
    rewards,
    { prompt: 'p', response: 'a', reward: 0.5, group: 0 },
    '1 reply in 1 group',
    [[{ prompt: 'p', response: 'a', reward: null }, /`reward`/]],
  ],
  [
    rewardGroups,
    { prompt: 'p', responses: ['a', 'b'], weights: [0.75, 0.25] },
    '1 group of 2 replies',
    [
      [{ prompt: 'p', responses: ['a', 'b'], weights: [1] }, /1 elements for 2 responses/],
      [{ prompt: 'p', responses: ['a', 'b'], weights: [0.9, 0.9] }, /1.8/],
    ],
  ],
  [
    rollouts,
    {
      step: 1,
      prompt: 'p',
      completion: '',
      finished: true,
      rewards: { a: 1, b: null },
      reward: 1,
      advantage: 0.5,
    },
    '1 completion in training',
    [
      [{ step: 1, prompt: 'p', completion: 'c', rewards: { a: 'high' }, reward: 1, advantage: 0 }, /`a`/],
      [{ step: 1, prompt: 'p', rewards: {}, reward: null, advantage: 0 }, /`completion`/],
      [{ step: 0.5, prompt: 'p', completion: 'c', rewards: {}, advantage: 0 }, /`step`/],
    ],
  ],
  [
    trainingLog,
    { stage: 'sft', epoch: 0, step: 1, loss: 2.5 },
    '1 step, loss 2.50 to 2.50',
    [
      [{ stage: 'sft', epoch: 0, step: 1, loss: null }, /`loss`/],
      [{ stage: 'sft', epoch: 0, step: 1 }, /`loss`/],
      [{ stage: 'sft', epoch: 0, step: 1, eval_loss: 'low' }, /`eval_loss`/],
    ],
  ],
]

describe.each(rowTypes)('$name', (type, good, description, broken) => {
  it('accepts and describes good rows', async () => {
    const file = temporaryFile('rows.jsonl', [good])
    expect(await faultsIn(type, file)).toEqual([])
    expect(await type.describe(file)).toBe(description)
  })

  it.each(broken)('names the line of a broken row: %j', async (row, message) => {
    const faults = await faultsIn(type, temporaryFile('rows.jsonl', [good, row, good]))
    expect(faults).toEqual([
      {
        message: expect.stringMatching(message),
        line: 2,
        hint: expect.stringContaining('a row looks like {'),
      },
    ])
  })

  it('reports every broken line, but no endless list', async () => {
    const lines = [JSON.stringify(good), '{', '"text"', JSON.stringify(good)]
    const faults = await faultsIn(type, temporaryFile('rows.jsonl', lines.join('\n')))
    expect(faults.map((fault) => fault.line)).toEqual([2, 3])
    expect(await faultsIn(type, temporaryFile('rows.jsonl', '{\n'.repeat(500)))).toHaveLength(30)
  })
})

it('training-log: tells updates from evaluations', async () => {
  const row = { stage: 'sft', epoch: 1, step: 0 }
  const rows = [
    { ...row, eval_loss: 3 },
    { ...row, step: 1, loss: 2.5 },
    { ...row, step: 1, eval_loss: 2 },
  ]
  const file = temporaryFile('log.jsonl', rows)
  expect(await faultsIn(trainingLog, file)).toEqual([])
  expect(await trainingLog.describe(file)).toBe('1 step, loss 2.50 to 2.50, held-out loss 3.00 to 2.00')
})

describe('files of rows', () => {
  it('may be a JSON array only where the type says so', async () => {
    const array = JSON.stringify([{ instruction: 'Add.', output: '5' }])
    expect(await faultsIn(instructions, temporaryFile('rows.json', array))).toEqual([])
    expect(await faultsIn(prompts, temporaryFile('rows.json', array))).toEqual([
      { message: expect.stringContaining('JSON array'), line: 1, hint: expect.stringContaining('prepare') },
    ])
  })

  it('must hold a row, but for verdicts that nobody could read', async () => {
    const empty = temporaryFile('rows.jsonl', '\n')
    expect(await faultsIn(preferences, empty)).toMatchObject([
      { message: expect.stringContaining('no rows') },
    ])
    expect(await faultsIn(judged, empty)).toEqual([])
    expect(await faultsIn(samples, empty)).toEqual([])
    expect(await judged.describe(empty)).toBe('0 prompts, 0 of 0 candidates scored')
  })
})

it('dataset: takes any rows, but wants JSON', async () => {
  const file = temporaryFile('rows.jsonl', '{"a": 1}\n{broken\n')
  expect(await faultsIn(dataset, file)).toEqual([])
  expect(await dataset.describe(file)).toBe('1 raw row')
  expect(await faultsIn(dataset, temporaryFile('rows.csv', 'a,b\n1,2\n'))).toMatchObject([{ line: 1 }])
  expect(await faultsIn(dataset, temporaryFile('rows.jsonl', ''))).toMatchObject([
    { message: 'the file has no rows' },
  ])
})

describe('model', () => {
  const fields = {
    model_type: 'qwen2',
    vocab_size: 40,
    hidden_size: 8,
    num_hidden_layers: 1,
    num_attention_heads: 2,
    num_key_value_heads: 2,
    intermediate_size: 16,
    tie_word_embeddings: true,
  }

  function modelFolder(changes: object = {}): string {
    const folder = join(temporaryFolder(), 'model')
    mkdirSync(folder)
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...fields, ...changes }))
    writeFileSync(join(folder, 'tokenizer.json'), '{}')
    const weights = initialWeights(decoderConfig(fields, 'config.json'), 1)
    writeSafetensors(join(folder, 'model.safetensors'), Object.fromEntries(weights))
    return folder
  }

  it('says its architecture and size', async () => {
    const folder = modelFolder()
    expect(await faultsIn(model, folder)).toEqual([])
    expect(await model.describe(folder)).toBe('qwen2, 1.01 k parameters')
  })

  it('names each missing file', async () => {
    for (const name of ['config.json', 'model.safetensors', 'tokenizer.json']) {
      const folder = modelFolder()
      rmSync(join(folder, name))
      const faults = await faultsIn(model, folder)
      expect(faults).toHaveLength(1)
      expect(faults[0]!.message).toContain(name)
      expect(faults[0]!.message).not.toContain(folder)
    }
  })

  it('wants a supported architecture, and weights that are whole and fit it', async () => {
    expect(await faultsIn(model, modelFolder({ model_type: undefined }))).toEqual([
      { message: '`model_type` is missing', file: 'config.json', hint: expect.stringContaining('qwen2') },
    ])
    expect(await faultsIn(model, modelFolder({ hidden_act: 'relu' }))).toMatchObject([
      { message: '`hidden_act` is "relu", which is not supported', file: 'config.json' },
    ])
    expect(await faultsIn(model, modelFolder({ intermediate_size: 12 }))).toMatchObject([
      { message: expect.stringContaining('but config.json makes it [12,8]') },
    ])
    const damaged = modelFolder()
    const weights = join(damaged, 'model.safetensors')
    writeFileSync(weights, readFileSync(weights).subarray(0, -8))
    expect(await faultsIn(model, damaged)).toMatchObject([{ file: 'model.safetensors' }])
  })
})

describe('adapter', () => {
  function adapterFolder(): string {
    const folder = join(temporaryFolder(), 'adapter')
    const name = 'base_model.model.model.layers.0.self_attn.q_proj'
    writeAdapter(folder, {
      baseModel: 'm',
      settings: { ...plainLora, r: 2, alpha: 4, targets: ['q_proj'] },
      tensors: new Map([
        [`${name}.lora_A.weight`, { shape: [2, 8], data: new Float32Array(16) }],
        [`${name}.lora_B.weight`, { shape: [8, 2], data: new Float32Array(16) }],
      ]),
    })
    return folder
  }

  it('says its rank and size, and names a missing file', async () => {
    const folder = adapterFolder()
    expect(await faultsIn(adapter, folder)).toEqual([])
    expect(await adapter.describe(folder)).toBe('LoRA of rank 2, 32 parameters')
    rmSync(join(folder, 'adapter_model.safetensors'))
    expect(await faultsIn(adapter, folder)).toMatchObject([
      { message: expect.stringContaining('adapter_model.safetensors') },
    ])
    rmSync(join(folder, 'adapter_config.json'))
    expect(await faultsIn(adapter, folder)).toMatchObject([{ file: 'adapter_config.json' }])
  })
})

it('tokenizer: counts its tokens, and names what is missing', async () => {
  const folder = temporaryFolder()
  writeFileSync(
    join(folder, 'tokenizer.json'),
    JSON.stringify({ model: { type: 'BPE', vocab: { a: 0, b: 1 } } }),
  )
  expect(await faultsIn(tokenizer, folder)).toMatchObject([{ file: 'tokenizer_config.json' }])
  writeFileSync(join(folder, 'tokenizer_config.json'), '{}')
  expect(await faultsIn(tokenizer, folder)).toEqual([])
  expect(await tokenizer.describe(folder)).toBe('2 tokens')
  writeFileSync(join(folder, 'tokenizer.json'), '{}')
  expect(await faultsIn(tokenizer, folder)).toMatchObject([{ message: expect.stringContaining('vocab') }])
})

it('metrics: holds numbers by name', async () => {
  const good = temporaryFile(
    'm.json',
    JSON.stringify({ stage: 'evaluate', values: { exact_match: 0.405, questions: 600 } }),
  )
  expect(await faultsIn(metrics, good)).toEqual([])
  expect(await metrics.describe(good)).toBe('exact match 40.5% of 600 questions')
  for (const content of ['[]', '{}', '{"values": {"a": null}}', '{']) {
    expect(await faultsIn(metrics, temporaryFile('m.json', content))).toHaveLength(1)
  }
})

it('report: is an HTML page', async () => {
  expect(await faultsIn(report, temporaryFile('r.html', '<!doctype html><html></html>'))).toEqual([])
  expect(await report.describe(temporaryFile('r.html', '<!doctype html>'))).toBe('HTML, 1 kB')
  const described = '<!doctype html><meta name="description" content="exact match: sft 40.5%, R&amp;D 76.0%">'
  expect(await report.describe(temporaryFile('r.html', described))).toBe(
    'exact match: sft 40.5%, R&D 76.0%; HTML, 1 kB',
  )
  expect(await faultsIn(report, temporaryFile('r.html', 'hello'))).toHaveLength(1)
})

describe('reward-function', () => {
  it('is code by its name, and exports something', async () => {
    const faults = (name: string, text: string) => faultsIn(rewardFunction, temporaryFile(name, text))
    expect(await faults('score.ts', 'export default () => []')).toEqual([])
    expect(await faults('score.mjs', 'export { score as default }')).toEqual([])
    expect(await faults('score.py', 'def score(): ...')).toMatchObject([
      { message: 'is called *.py, which is no TypeScript or JavaScript' },
    ])
    expect(await faults('score.ts', 'const score = () => []')).toMatchObject([{ message: 'exports nothing' }])
  })
})
