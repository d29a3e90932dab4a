/** @file Datasets in every format, broken rows and all, as the `prepare` stages read them. */
import { describe, expect, it } from 'vitest'
import { instructions } from '../../stages/artifacts/instructions.ts'
import { preferences } from '../../stages/artifacts/preferences.ts'
import { rewards } from '../../stages/artifacts/rewards.ts'
import prepare from '../../stages/prepare/index.ts'
import preparePreferences from '../../stages/prepare-preferences/index.ts'
import prepareRewards from '../../stages/prepare-rewards/index.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'

const conversation = (...contents: string[]) => ({
  messages: contents.map((content, turn) => ({ role: turn % 2 === 0 ? 'user' : 'assistant', content })),
})

const conversations: Readonly<Record<string, { row: object; expected: object | object[] }>> = {
  alpaca: {
    row: { instruction: 'Add.', input: '2, 3', output: '5' },
    expected: conversation('Add.\n2, 3', '5'),
  },
  sharegpt: {
    row: {
      conversations: [
        { from: 'gpt', value: 'Welcome.' },
        { from: 'human', value: 'Hi' },
        { from: 'gpt', value: 'Hello' },
      ],
    },
    expected: conversation('Hi', 'Hello'),
  },
  messages: { row: conversation('Hi', 'Hello'), expected: conversation('Hi', 'Hello') },
  openorca: {
    row: { id: 'flan.1', system_prompt: 'Be brief.', question: '2+3?', response: '5' },
    expected: { messages: [{ role: 'system', content: 'Be brief.' }, ...conversation('2+3?', '5').messages] },
  },
  'self-instruct': {
    row: { prompt: '2+3?', completion: ' 5<|endoftext|>' },
    expected: conversation('2+3?', '5'),
  },
  'seed-tasks': {
    row: {
      instruction: 'Add.',
      instances: [
        { input: '2, 3', output: '5' },
        { input: '1, 1', output: '2' },
      ],
    },
    expected: [conversation('Add.\n2, 3', '5'), conversation('Add.\n1, 1', '2')],
  },
}

const pku = {
  prompt: 'How?',
  response_0: 'helpful',
  response_1: 'safe',
  is_response_0_safe: false,
  is_response_1_safe: true,
  better_response_id: 0,
  safer_response_id: 1,
}
const ultrafeedback = {
  instruction: 'Say hi',
  completions: [
    { response: 'hi', model: 'a', overall_score: 8 },
    { response: 'no', model: 'b', overall_score: 2 },
    { response: 'hm', model: 'c', overall_score: 5 },
  ],
}
const binarized = {
  prompt: 'Say hi',
  chosen: conversation('Say hi', 'hi').messages,
  rejected: conversation('Say hi', 'no').messages,
  score_chosen: 8,
  score_rejected: 2,
}
const demo = {
  conversations: [{ from: 'human', value: 'Say hi' }],
  chosen: { from: 'gpt', value: 'hi' },
  rejected: { from: 'gpt', value: 'no' },
}

async function faultsIn(type: typeof preferences, path: string) {
  const faults = []
  for await (const fault of type.validate(path)) faults.push(fault)
  return faults
}

describe('conversations', () => {
  it.each(Object.entries(conversations))('reads %s', async (format, { row, expected }) => {
    const data = temporaryFile('data.jsonl', [row, row])
    const rows = [expected, expected].flat()
    const detected = await runStage(prepare, { data })
    expect(detected.rows('instructions')).toEqual(rows)
    expect(detected.logs.join()).toContain(format)
    expect(await faultsIn(instructions, detected.outputs.instructions!)).toEqual([])
    const named = await runStage(prepare, { data }, { format })
    expect(named.text('instructions')).toBe(detected.text('instructions'))
  })

  it('reads a JSON array as well', async () => {
    const data = temporaryFile('data.json', JSON.stringify([conversations.alpaca!.row], undefined, 2))
    expect((await runStage(prepare, { data })).rows('instructions')).toEqual([conversations.alpaca!.expected])
  })

  it('keeps the system prompt of OpenOrca, and writes none for an empty one', async () => {
    const empty = { id: '1', system_prompt: '', question: 'q', response: 'r' }
    const data = temporaryFile('orca.jsonl', [conversations.openorca!.row, empty])
    const [first, second] = (await runStage(prepare, { data })).rows('instructions')
    expect(first.messages[0]).toEqual({ role: 'system', content: 'Be brief.' })
    expect(second).toEqual(conversation('q', 'r'))
  })
})

describe('comparisons', () => {
  it('makes PKU pairs by helpfulness or by safety', async () => {
    const data = temporaryFile('pku.jsonl', [pku])
    const better = await runStage(preparePreferences, { data })
    expect(better.rows('preferences')).toEqual([{ prompt: 'How?', chosen: 'helpful', rejected: 'safe' }])
    const safer = await runStage(preparePreferences, { data }, { preference: 'safer' })
    expect(safer.rows('preferences')).toEqual([{ prompt: 'How?', chosen: 'safe', rejected: 'helpful' }])
    expect(await faultsIn(preferences, safer.outputs.preferences!)).toEqual([])
  })

  it('cuts the prompt off binarized UltraFeedback', async () => {
    const run = await runStage(preparePreferences, { data: temporaryFile('data.jsonl', [binarized]) })
    expect(run.rows('preferences')).toEqual([
      { prompt: 'Say hi', chosen: 'hi', rejected: 'no', chosen_score: 8, rejected_score: 2 },
    ])
  })

  it('reads preference demos and pairs', async () => {
    const expected = { prompt: 'Say hi', chosen: 'hi', rejected: 'no' }
    for (const row of [demo, expected]) {
      const run = await runStage(preparePreferences, { data: temporaryFile('data.jsonl', [row]) })
      expect(run.rows('preferences')).toEqual([expected])
    }
  })

  it('pairs best and worst of raw UltraFeedback, and leaves ties out', async () => {
    const tie = {
      ...ultrafeedback,
      completions: ultrafeedback.completions.map((c) => ({ ...c, overall_score: 3 })),
    }
    const run = await runStage(preparePreferences, {
      data: temporaryFile('data.jsonl', [tie, ultrafeedback]),
    })
    expect(run.rows('preferences')).toEqual([
      { prompt: 'Say hi', chosen: 'hi', rejected: 'no', chosen_score: 8, rejected_score: 2 },
    ])
    expect(run.logs.join()).toContain('left out: 1')
  })
})

describe('rewards', () => {
  it('gives one row a scored reply, grouped by prompt', async () => {
    const data = temporaryFile('data.jsonl', [ultrafeedback, { ...ultrafeedback, instruction: 'Say bye' }])
    const run = await runStage(prepareRewards, { data })
    expect(run.rows('rewards').map(({ prompt, reward, group }) => [prompt, reward, group])).toEqual([
      ['Say hi', 8, 0],
      ['Say hi', 2, 0],
      ['Say hi', 5, 0],
      ['Say bye', 8, 1],
      ['Say bye', 2, 1],
      ['Say bye', 5, 1],
    ])
    expect(await faultsIn(rewards, run.outputs.rewards!)).toEqual([])
  })

  it('gives 1 and 0 where a comparison has no scores', async () => {
    const run = await runStage(prepareRewards, { data: temporaryFile('data.jsonl', [pku]) })
    expect(run.rows('rewards').map(({ response, reward }) => [response, reward])).toEqual([
      ['helpful', 1],
      ['safe', 0],
    ])
  })
})

describe('rows that cannot be read', () => {
  const good = { instruction: 'Add 2 and 3.', input: '', output: '5' }
  const lines = [JSON.stringify(good), '{"instruction": "no output"}', '{broken', JSON.stringify(good)]

  it('end the stage by default, with file, line and reason', async () => {
    const data = temporaryFile('rows.jsonl', `${lines.join('\n')}\n`)
    const failure = await failureOf(runStage(prepare, { data }))
    expect(failure).toMatchObject({ code: 'unreadable-rows', file: data, line: 2 })
    expect(failure.message).toMatch(/2 of 4 rows cannot be read \(50.0%\).*line 2: .*`output`.*line 3: /)
  })

  it('are dropped, named and counted below the tolerance', async () => {
    const data = temporaryFile('rows.jsonl', `${lines.join('\n')}\n`)
    const run = await runStage(prepare, { data }, { tolerance: 0.5 })
    expect(run.rows('instructions')).toHaveLength(2)
    expect(run.warnings.join()).toMatch(/2 of 4 .*line 2: .*line 3: /)
    expect(await failureOf(runStage(prepare, { data }, { tolerance: 0.49 }))).toMatchObject({ line: 2 })
  })

  it('are named by line in a JSON array too', async () => {
    const text = `[\n  ${JSON.stringify(good)},\n  {"instruction": 3, "output": "x"}\n]\n`
    expect(await failureOf(runStage(prepare, { data: temporaryFile('rows.json', text) }))).toMatchObject({
      line: 3,
    })
  })
})

describe('choosing rows', () => {
  const many = Array.from({ length: 20 }, (_, n) => ({ instruction: `n ${n}`, output: String(n) }))
  const outputsOf = (rows: { messages: { content: string }[] }[]) =>
    rows.map((row) => Number(row.messages[1]!.content))

  it('takes the first ones, or random ones by seed', async () => {
    const data = temporaryFile('rows.jsonl', many)
    const first = await runStage(prepare, { data }, { limit: 3 })
    expect(outputsOf(first.rows('instructions'))).toEqual([0, 1, 2])
    const shuffled = await runStage(prepare, { data }, { shuffle: true, seed: 1 })
    const again = await runStage(prepare, { data }, { shuffle: true, seed: 1 })
    expect(again.text('instructions')).toBe(shuffled.text('instructions'))
    expect(outputsOf(shuffled.rows('instructions')).sort((a, b) => a - b)).toEqual(many.map((_, n) => n))
    expect(outputsOf(shuffled.rows('instructions'))).not.toEqual(many.map((_, n) => n))
  })
})

describe('files of another kind', () => {
  it('says which fields it saw and which formats there are', async () => {
    const data = temporaryFile('rows.jsonl', [{ title: 'x', body: 'y' }])
    const failure = await failureOf(runStage(prepare, { data }))
    expect(failure).toMatchObject({ code: 'unknown-format', line: 1 })
    expect(failure.message).toContain('title, body')
    expect(failure.hint).toContain('alpaca')
  })

  it('refuses a format that cannot give what is asked for', async () => {
    const data = temporaryFile('rows.jsonl', [conversations.alpaca!.row])
    expect(await failureOf(runStage(preparePreferences, { data }))).toMatchObject({ code: 'unsuited-format' })
  })

  it('fails where no row is left', async () => {
    const same = { prompt: 'p', chosen: 'x', rejected: 'x' }
    const data = temporaryFile('rows.jsonl', [same])
    expect(await failureOf(runStage(preparePreferences, { data }))).toMatchObject({ code: 'no-rows' })
  })
})
