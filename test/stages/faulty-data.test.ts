/** @file Faulty files of rows: each is refused before training, with its line, or its rows are dropped and counted. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import dpo from '../../stages/dpo/index.ts'
import grpo from '../../stages/grpo/index.ts'
import gspo from '../../stages/gspo/index.ts'
import sft from '../../stages/sft/index.ts'
import { refusalOf } from './faulty-files.ts'
import { runStage, temporaryFolder } from './run-stage.ts'
import { logOf, policy, quick } from './training-runs.ts'

/** Rows as JSON Lines; a text stands as it is. */
const lines = (...rows: readonly (object | string)[]) =>
  rows.map((row) => `${typeof row === 'string' ? row : JSON.stringify(row)}\n`).join('')

const good = { instruction: 'Hi', output: 'Hello' }
const pair = { prompt: 'Hi', chosen: 'Hello', rejected: 'No' }
const reward = { prompt: 'Hi', response: 'Hello', reward: 1, group: 0 }
const other = { prompt: 'Hi', response: 'No', reward: 0, group: 0 }
const group = { prompt: 'Hi', responses: ['a', 'b'], weights: [0.7, 0.3] }
const long = 'All of this is asked. '.repeat(12)

/** What is wrong; the stage; the file; what is said; the line that is named. */
type Case = readonly [string, 'sft' | 'dpo' | 'grpo' | 'gspo', string | Buffer, RegExp, number?]

const cases: readonly Case[] = [
  ['an empty file', 'sft', '', /no rows/, 1],
  ['a file of blank lines', 'dpo', '\n \n\t\n', /no rows/, 1],
  ['an empty list', 'sft', '[]', /no rows/, 1],
  ['a line that is no JSON', 'sft', lines(good, '{instruction: Hi}'), /is not JSON/, 2],
  [
    'a last line that is cut off',
    'sft',
    lines(good, good) + JSON.stringify(good).slice(0, 20),
    /is not JSON/,
    3,
  ],
  [
    'a last line of pairs that is cut off',
    'dpo',
    lines(pair, pair) + JSON.stringify(pair).slice(0, 20),
    /is not JSON/,
    3,
  ],
  [
    'a list that is cut off',
    'sft',
    '[\n{"instruction":"Hi","output":"Hello"},\n{"instruction":"Hi","out',
    /is not JSON|before the list is closed/,
    3,
  ],
  [
    'text after the list',
    'sft',
    `${JSON.stringify([good])}\n${JSON.stringify(good)}`,
    /more text after the list/,
    2,
  ],
  ['a table with commas', 'sft', 'instruction,output\nHi,Hello\n', /is not JSON/, 1],
  ['a line that is a number', 'dpo', lines(pair, '5'), /not an object/, 2],
  ['a line that is null', 'grpo', lines(reward, 'null'), /null, not an object/, 2],
  ['a list where rows are asked for', 'dpo', JSON.stringify([pair]), /is a JSON array/, 1],
  ['UTF-16', 'sft', Buffer.from(`\ufeff${lines(good)}`, 'utf16le'), /UTF-16/],
  ['UTF-16 pairs', 'dpo', Buffer.from(lines(pair), 'utf16le'), /UTF-16/],
  [
    'bytes that are no UTF-8',
    'sft',
    Buffer.concat([
      Buffer.from(lines(good)),
      Buffer.from('{"instruction":"caf\xe9","output":"x"}', 'latin1'),
    ]),
    /not valid UTF-8/,
    2,
  ],
  [
    'bytes of pairs that are no UTF-8',
    'dpo',
    Buffer.concat([
      Buffer.from(lines(pair)),
      Buffer.from('{"prompt":"caf\xe9","chosen":"x","rejected":"y"}', 'latin1'),
    ]),
    /not valid UTF-8/,
    2,
  ],
  ['a gzip archive', 'sft', gzipSync(lines(good)), /gzip archive/],
  ['a Parquet file', 'sft', Buffer.from('PAR1\x15\x04\x15\x00'), /Parquet/],
  ['a picture', 'grpo', Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'), /binary file/],
  [
    'a field given twice',
    'sft',
    lines(good, '{"instruction":"Hi","output":"a","output":"b"}'),
    /gives `output` twice/,
    2,
  ],
  [
    'a reward given twice',
    'grpo',
    lines(reward, '{"prompt":"Hi","response":"a","reward":1,"reward":0}'),
    /gives `reward` twice/,
    2,
  ],
  ['an answer that is missing', 'sft', lines(good, { instruction: 'Hi' }), /`output` is missing/, 2],
  ['an answer that is empty', 'sft', lines({ ...good, output: ' ' }), /`output` is empty/, 1],
  ['an answer that is a number', 'sft', lines(good, good, { ...good, output: 5 }), /`output` is a number/, 3],
  ['rows of another kind', 'sft', lines(pair), /none of `instruction`/, 1],
  ['an empty prompt', 'dpo', lines(pair, { ...pair, prompt: '' }), /`prompt` is empty/, 2],
  ['an unknown role', 'dpo', lines({ ...pair, prompt: [{ role: 'tool', content: 'x' }] }), /role "tool"/, 1],
  [
    'messages without an answer',
    'sft',
    lines({ messages: [{ role: 'user', content: 'Hi' }] }),
    /last turn is not the assistant/,
    1,
  ],
  ['messages of no one', 'sft', lines({ messages: [] }), /`messages` is an empty list/, 1],
  [
    'a message without content',
    'sft',
    lines({ messages: [{ role: 'user' }, { role: 'assistant', content: 'x' }] }),
    /`content` of element 1/,
    1,
  ],
  [
    'a prompt that ends with the answer',
    'dpo',
    lines({
      ...pair,
      prompt: [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
      ],
    }),
    /ends with the assistant/,
    1,
  ],
  ['replies that are the same', 'dpo', lines(pair, { ...pair, rejected: 'Hello' }), /are the same text/, 2],
  [
    'a pair without its worse half',
    'dpo',
    lines({ prompt: 'Hi', chosen: 'Hello' }),
    /`rejected` is missing/,
    1,
  ],
  ['a reward that is a text', 'grpo', lines(reward, { ...other, reward: '0' }), /`reward` is a string/, 2],
  [
    'a reward that is NaN',
    'grpo',
    lines(reward, '{"prompt":"Hi","response":"x","reward":NaN}'),
    /is not JSON/,
    2,
  ],
  ['a reward that is null', 'grpo', lines(reward, { ...other, reward: null }), /`reward` is null/, 2],
  [
    'log-probabilities of other tokens',
    'grpo',
    lines(reward, { ...other, token_ids: [5, 6], logps: [-1] }),
    /1 log-probabilities for 2 tokens/,
    2,
  ],
  ['token ids below zero', 'grpo', lines(reward, { ...other, token_ids: [-5] }), /is -5/, 2],
  [
    'token ids beyond the embedding',
    'grpo',
    lines(reward, { ...other, token_ids: [5, 300] }),
    /token id 300 .* 300 rows/,
  ],
  [
    'token ids of pairs beyond the embedding',
    'dpo',
    lines({ ...pair, chosen_token_ids: [5, 4000], rejected_token_ids: [6] }),
    /token id 4000 .* 300 rows/,
  ],
  ['groups of one member', 'grpo', lines(reward, { ...other, group: 1 }), /each group has one completion/],
  ['groups without a difference', 'grpo', lines(reward, { ...other, reward: 1 }), /all equal/],
  [
    'weights that are no distribution',
    'gspo',
    lines({ ...group, weights: [0.7, 0.7] }),
    /their sum is 1\.4/,
    1,
  ],
  ['fewer weights than replies', 'gspo', lines({ ...group, weights: [1] }), /1 elements for 2 responses/, 1],
  [
    'a group of nothing',
    'gspo',
    lines({ ...group, responses: [], weights: [] }),
    /`responses` is an empty list/,
    1,
  ],
  [
    'rows of which all are too long',
    'sft',
    lines({ instruction: long, output: 'x' }),
    /no row has an answer within max_length 32/,
  ],
  [
    'pairs of which all are too long',
    'dpo',
    lines({ ...pair, prompt: long }),
    /no row has an answer within max_length 32/,
  ],
]

const named = cases.map(([what, stage, content, message, line]) => ({ what, stage, content, message, line }))

const stages = { sft, dpo, grpo, gspo }

function fileOf(content: string | Buffer): string {
  const file = join(temporaryFolder(), 'rows.jsonl')
  writeFileSync(file, content)
  return file
}

describe('a file of rows', () => {
  it.each(named)('$what, for $stage', async ({ stage, content, message, line }) => {
    const file = fileOf(content)
    const data = stage === 'sft' ? { rows: file } : file
    const refusal = await refusalOf(stages[stage], { ...policy, data }, { ...quick, max_length: 32 })
    expect(refusal.message).toMatch(message)
    expect(refusal.line).toBe(line)
    if (line !== undefined) expect(refusal.file).toBe(file)
  })
})

describe('rows that are dropped', () => {
  it.each([
    [
      'sft',
      lines(good, { instruction: long, output: 'x' }, good),
      '1 rows dropped: max_length 32 leaves nothing of their answer',
    ],
    [
      'dpo',
      lines(pair, { ...pair, prompt: long }),
      '1 pairs dropped: max_length 32 leaves nothing of an answer',
    ],
    [
      'grpo',
      lines(reward, other, { ...other, prompt: long }),
      '1 rows dropped: max_length 32 leaves nothing of the answer',
    ],
  ] as const)('are counted and named by %s', async (stage, content, warning) => {
    const file = fileOf(content)
    const data = stage === 'sft' ? { rows: file } : file
    const run = await runStage(stages[stage], { ...policy, data }, { ...quick, epochs: 1, max_length: 32 })
    expect(run.warnings).toEqual([warning])
    expect(logOf(run).length).toBeGreaterThan(0)
  })
})

describe('rows that are no fault', () => {
  it.each([
    ['a byte order mark', `\ufeff${lines(pair)}`],
    ['line ends of Windows', lines(pair, pair).replaceAll('\n', '\r\n')],
    ['blank lines between rows', lines(pair, '', pair)],
    ['no line end after the last row', lines(pair).trimEnd()],
  ])('%s', async (_, content) => {
    const trained = refusalOf(dpo, { ...policy, data: fileOf(content) }, quick)
    await expect(trained).rejects.toThrow(/it has trained/)
  })
})
