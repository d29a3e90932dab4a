import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import type { LmFailure } from '../../lm/failure.ts'
import { parseRows } from '../../lm/text/read-rows.ts'
import {
  faultsOf,
  parseInstruction,
  parseJudged,
  parsePreference,
  parsePrompt,
  parseQuestion,
  parseResponse,
  parseReward,
  parseRewardGroup,
  readPreferences,
  readRewards,
} from '../../lm/text/rows.ts'

const rowsOf = (text: string | Buffer) => {
  const { rows, faults } = parseRows(Buffer.from(text as string))
  return {
    rows: rows.map(({ line, value }) => [line, value]),
    faults: faults.map(({ line, message }) => [line, message]),
  }
}

describe('JSONL', () => {
  test('rows have their lines; a byte order mark, CRLF and blank lines are harmless', () => {
    const { rows, faults } = rowsOf('\ufeff{"a":1}\r\n\r\n  \n{"a":"x\u2028y"}\r\n')
    expect(rows).toEqual([
      [1, { a: 1 }],
      [4, { a: 'x\u2028y' }],
    ])
    expect(faults).toEqual([])
  })

  test('each bad line is named, and the others are read', () => {
    const { rows, faults } = rowsOf('{"a":1}\n{"a":\n7\nnull\n[]\n"x"\n{"a":NaN}\n{"a":2}')
    expect(rows.map(([line]) => line)).toEqual([1, 8])
    expect(faults.map(([line]) => line)).toEqual([2, 3, 4, 5, 6, 7])
    expect(faults[0]![1]).toMatch(/is not JSON/)
    expect(faults[1]![1]).toBe('is a number, not an object')
    expect(faults[2]![1]).toBe('is null, not an object')
    expect(faults[3]![1]).toBe('is a list, not an object')
  })

  test('bytes that are no UTF-8 are named by line', () => {
    const { faults } = rowsOf(
      Buffer.concat([Buffer.from('{"a":1}\n{"a":"'), Buffer.from([0xff]), Buffer.from('"}\n')]),
    )
    expect(faults).toEqual([[2, 'is not valid UTF-8']])
  })

  test('an empty file has no rows and no faults', () => {
    expect(rowsOf('')).toEqual({ rows: [], faults: [] })
    expect(rowsOf(' \n')).toEqual({ rows: [], faults: [] })
  })
})

describe('a JSON array', () => {
  test('elements have the line on which they start', () => {
    const text = '[\n  {\n    "a": "],{\\"",\n    "b": [1, {"c": "}"}]\n  },\n\n  {"a": 2}, {"a": 3}\n]\n'
    expect(rowsOf(text)).toEqual({
      rows: [
        [2, { a: '],{"', b: [1, { c: '}' }] }],
        [7, { a: 2 }],
        [7, { a: 3 }],
      ],
      faults: [],
    })
    expect(rowsOf('[]')).toEqual({ rows: [], faults: [] })
  })

  test('one bad element does not hide the others', () => {
    const { rows, faults } = rowsOf('[{"a": 1},\n{"a": oops},\n5,\n{"a": 2}]')
    expect(rows.map(([line]) => line)).toEqual([1, 4])
    expect(faults.map(([line]) => line)).toEqual([2, 3])
  })

  test.each([
    ['[{"a": 1}', 1, /before the list is closed/],
    ['[{"a": 1},\n', 2, /ends where a row/],
    ['[{"a": 1},\n]', 2, /`]` where a row/],
    ['[{"a": 1}\n,,{"a": 1}]', 2, /`,` where a row/],
    ['[{"a": 1}]\n\n[]', 3, /more text/],
    ['[{"a": "x\n', 2, /before the list is closed/],
  ])('%j', (text, line, message) => {
    const { faults } = rowsOf(text)
    expect(faults.at(-1)).toEqual([line, expect.stringMatching(message)])
  })
})

describe('row types', () => {
  test('instructions: three shapes become messages, other fields stay', () => {
    const alpaca = {
      instruction: 'Add.',
      input: '1, 2',
      output: '3',
      system: 'S',
      history: [['q', 'a']],
      topic: 'sums',
    }
    expect(parseInstruction(alpaca).value).toEqual({
      ...alpaca,
      messages: [
        { role: 'system', content: 'S' },
        { role: 'user', content: 'q' },
        { role: 'assistant', content: 'a' },
        { role: 'user', content: 'Add.\n1, 2' },
        { role: 'assistant', content: '3' },
      ],
    })
    expect(parseInstruction({ prompt: 'x', completion: 'y' }).value?.messages).toHaveLength(2)
    const messages = [
      { role: 'user', content: 'x' },
      { role: 'assistant', content: 'y' },
    ]
    expect(parseInstruction({ messages }).value).toEqual({ messages })
  })

  test('prompts: text, messages, alpaca and the first of several turns', () => {
    expect(parsePrompt({ prompt: 'x', id: 3 }).value).toEqual({ prompt: 'x', id: 3 })
    const messages = [{ role: 'user', content: 'x' }]
    expect(parsePrompt({ prompt: messages }).value?.prompt).toEqual(messages)
    expect(parsePrompt({ instruction: 'a', input: 'b' }).value?.prompt).toBe('a\nb')
    expect(parsePrompt({ question_id: 81, turns: ['one', 'two'] }).value).toMatchObject({
      prompt: 'one',
      id: 81,
    })
    expect(parseQuestion({ prompt: 'x', answer: 85, task: 'add' }).value).toMatchObject({
      answer: '85',
      task: 'add',
    })
  })

  const sampled = { token_ids: [5, 6], logps: [-0.1, -0.2], finished: true }
  const judged = {
    instruction: 'x',
    candidates: [{ response: 'a', score: null, judge_output: '?', votes: [null, null] }],
    chosen: null,
    chosen_score: null,
    rejected: null,
    rejected_score: null,
  }
  const group = { prompt: 'x', responses: ['a', 'b'], weights: [0.25, 0.75], rewards: [1, 2] }

  test('sound rows of the stages', () => {
    const response = { prompt: 'x', responses: [{ text: 'a', ...sampled }] }
    expect(parseResponse(response).value).toEqual(response)
    expect(parseJudged(judged).value).toEqual(judged)
    const preference = {
      prompt: 'x',
      chosen: 'a',
      rejected: 'b',
      chosen_score: 5,
      rejected_score: 1,
      note: 'n',
    }
    expect(parsePreference(preference).value).toEqual(preference)
    const reward = { prompt: 'x', response: 'a', reward: -1.5, group: 0, ...sampled }
    expect(parseReward(reward).value).toEqual(reward)
    expect(parseRewardGroup(group).value).toEqual(group)
    expect(parseRewardGroup({ prompt: 'x', responses: ['a'], weights: [1] }).fault).toBeUndefined()
  })

  test.each<[(row: unknown) => { readonly fault?: string }, unknown, RegExp]>([
    [parseInstruction, {}, /none of/],
    [parseInstruction, { instruction: 'a' }, /`output` is missing/],
    [parseInstruction, { instruction: ' ', output: 'b' }, /`instruction` is empty/],
    [
      parseInstruction,
      { instruction: 'a', output: 'b', history: [['q']] },
      /element 1 of `history` is not a pair/,
    ],
    [parseInstruction, { messages: [] }, /`messages` is an empty list/],
    [parseInstruction, { messages: [{ role: 'user', content: 'x' }] }, /last turn/],
    [parseInstruction, { messages: [{ role: 'assistant', content: 'x' }] }, /no turn of the user/],
    [
      parseInstruction,
      { messages: [{ role: 'bot', content: 'x' }] },
      /element 1 of `messages` has the role "bot"/,
    ],
    [parseInstruction, { messages: [{ role: 'user', content: 1 }] }, /`content` of element 1 .* is a number/],
    [parsePrompt, { prompt: 7 }, /`prompt` is a number/],
    [parsePrompt, { turns: [] }, /first of `turns` is missing/],
    [parsePrompt, { prompt: [{ role: 'assistant', content: 'x' }] }, /ends with the assistant's turn/],
    [parseQuestion, { prompt: 'x' }, /`answer` is missing/],
    [parseResponse, { prompt: 'x', responses: [] }, /empty list/],
    [
      parseResponse,
      { prompt: 'x', responses: [{ text: 'a', logps: [-1] }] },
      /1 log-probabilities for no tokens/,
    ],
    [
      parseResponse,
      { prompt: 'x', responses: [{ text: 'a', ...sampled, logps: [-1] }] },
      /1 log-prob.* for 2 tokens/,
    ],
    [parseResponse, { prompt: 'x', responses: [{ text: 'a', ...sampled, token_ids: [1, -2] }] }, /is -2/],
    [
      parseResponse,
      { prompt: 'x', responses: [{ text: 'a', ...sampled, token_ids: [1, 1.5] }] },
      /1.5, not an integer/,
    ],
    [parseJudged, { ...judged, chosen: 'a' }, /only one of/],
    [parseJudged, { ...judged, candidates: [{ response: 'a', score: '5' }] }, /`score` is a string/],
    [parsePreference, { prompt: 'x', chosen: ['a'], rejected: 'b' }, /`chosen` is a list/],
    [parsePreference, { prompt: 'x', chosen: 'a' }, /`rejected` is missing/],
    [parseReward, { prompt: 'x', response: 'a', reward: null }, /`reward` is null/],
    [parseReward, { prompt: 'x', response: 'a', reward: 1, group: 0.5 }, /`group` is 0.5/],
    [parseRewardGroup, { ...group, weights: [1] }, /`weights` has 1 elements for 2 responses/],
    [parseRewardGroup, { ...group, weights: [0.5, 0.6] }, /no distribution: their sum is 1.1/],
    [parseRewardGroup, { ...group, weights: [-1, 2] }, /no distribution/],
    [parseRewardGroup, { ...group, rewards: [1] }, /`rewards` has 1/],
    [parsePreference, [], /the row is a list/],
  ])('%o refuses %j', (parseRow, row, message) => {
    expect(parseRow(row).fault).toMatch(message)
  })
})

describe('files of rows', () => {
  const folder = mkdtempSync(join(tmpdir(), 'flow-rows-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const put = (text: string) => {
    const file = join(folder, 'rows.jsonl')
    writeFileSync(file, text)
    return file
  }

  test('checking names every fault in order of lines', () => {
    const file = put('{"prompt":"x","chosen":"a"}\noops\n{"prompt":"x","chosen":"a","rejected":"b"}\n{}\n')
    expect([...faultsOf(file, parsePreference)].map(({ line }) => line)).toEqual([1, 2, 4])
    expect([...faultsOf(put('\n'), parsePreference)]).toEqual([{ line: 1, message: 'the file has no rows' }])
  })

  test('reading ends at the first fault, with file and line', () => {
    const file = put('{"prompt":"x","chosen":"a","rejected":"b"}\n{"prompt":"x"}\n')
    expect.assertions(1)
    try {
      readPreferences(file)
    } catch (error) {
      const { code, line, file: culprit } = error as LmFailure
      expect({ code, line, culprit }).toEqual({ code: 'invalid-row', line: 2, culprit: file })
    }
  })

  test('rewards without groups are grouped by equal prompts', () => {
    const rows = ['x', 'y', 'x'].map((prompt) => JSON.stringify({ prompt, response: 'a', reward: 1 }))
    const given = JSON.stringify({ prompt: 'z', response: 'a', reward: 1, group: 4 })
    expect(readRewards(put([...rows, given].join('\n'))).map(({ group }) => group)).toEqual([5, 6, 5, 4])
  })
})
