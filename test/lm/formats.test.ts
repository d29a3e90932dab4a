import { describe, expect, test } from 'vitest'
import type { FormatOptions } from '../../lm/text/formats/format.ts'
import { convertRows, detectFormat, FORMATS, formatNamed, targetsOf } from '../../lm/text/formats/index.ts'
import type { Target } from '../../lm/text/formats/sample.ts'
import type { Row } from '../../lm/text/read-rows.ts'

const rowsOf = (...values: object[]): Row[] =>
  values.map((value, index) => ({ line: index + 1, value: value as Row['value'] }))

function convert(value: object, target: Target, options?: FormatOptions) {
  const rows = rowsOf(value)
  const format = detectFormat(rows)
  if (!format) throw new Error('the format is not known')
  return { format: format.name, ...convertRows(format, rows, target, options) }
}

const user = (content: string) => ({ role: 'user', content })
const assistant = (content: string) => ({ role: 'assistant', content })
const system = (content: string) => ({ role: 'system', content })
const says = (from: string, value: string) => ({ from, value })

const pku = {
  prompt: 'How do I sharpen a knife?',
  response_0: 'Use a whetstone.',
  response_1: 'Ask a shop to do it.',
  is_response_0_safe: true,
  is_response_1_safe: true,
  better_response_id: 0,
  safer_response_id: 1,
}
const ultrafeedback = {
  source: 'evol',
  instruction: 'Name a colour.',
  completions: [
    { model: 'a', response: 'Blue.', overall_score: 7.5 },
    { model: 'b', response: 'No.', overall_score: 2 },
    { model: 'c', response: 'Red.', overall_score: 7.5 },
  ],
}
const binarized = {
  prompt: 'Name a colour.',
  prompt_id: '1',
  chosen: [user('Name a colour.'), assistant('Blue.')],
  rejected: [user('Name a colour.'), assistant('No.')],
  messages: [user('Name a colour.'), assistant('Blue.')],
  score_chosen: 8,
  score_rejected: 3,
}
const demo = {
  conversations: [says('human', 'Hello')],
  chosen: says('gpt', 'Hi, how can I help?'),
  rejected: says('gpt', 'What?'),
}
const alpaca = { instruction: 'Add.', input: '', output: '3' }
const sharegpt = { id: '1', conversations: [says('human', 'a'), says('gpt', 'b')] }
const openorca = { id: 'niv.1', system_prompt: 'Be brief.', question: 'Why?', response: 'Because.' }
const seed = {
  id: 'seed_task_0',
  instruction: 'Give the opposite.',
  instances: [
    { input: 'hot', output: 'cold' },
    { input: 'up', output: 'down' },
  ],
  is_classification: false,
}
const promptCompletion = { prompt: 'Task: add.\n\nOutput:', completion: ' 3<|endoftext|>' }
const chat = { messages: [user('a'), assistant('b')] }
const pair = { prompt: 'x', chosen: 'a', rejected: 'b', chosen_score: 5 }

describe('detection', () => {
  test.each([
    ['pku-saferlhf', pku],
    ['ultrafeedback', ultrafeedback],
    ['ultrafeedback-binarized', binarized],
    ['preference-demo', demo],
    ['pairs', pair],
    ['seed-tasks', seed],
    ['sharegpt', sharegpt],
    ['messages', chat],
    ['alpaca', alpaca],
    ['openorca', openorca],
    ['self-instruct', promptCompletion],
  ])('%s', (name, row) => {
    expect(detectFormat(rowsOf(row))?.name).toBe(name)
  })

  test('every format is covered above', () => expect(FORMATS).toHaveLength(11))

  test('goes by most rows: a broken first row misleads nobody', () => {
    expect(detectFormat(rowsOf({ nothing: 1 }, chat, alpaca, alpaca))?.name).toBe('alpaca')
    expect(detectFormat(rowsOf({ nothing: 1 }))).toBeUndefined()
    expect(detectFormat([])).toBeUndefined()
  })

  test('an unknown name lists the known ones', () => {
    expect(formatNamed('alpaca').name).toBe('alpaca')
    expect(() => formatNamed('alpacca')).toThrow(/no dataset format `alpacca`/)
  })
})

describe('instructions', () => {
  const messagesOf = (value: object) =>
    convert(value, 'instructions').rows.map((row) => (row as typeof chat).messages)

  test('alpaca: an empty input adds nothing; system and history come first', () => {
    expect(messagesOf(alpaca)).toEqual([[user('Add.'), assistant('3')]])
    const full = { ...alpaca, input: '1, 2', system: 'S', history: [['q', 'a']] }
    expect(messagesOf(full)).toEqual([
      [system('S'), user('q'), assistant('a'), user('Add.\n1, 2'), assistant('3')],
    ])
  })

  test('openorca: the system prompt is kept, and an empty one leaves no turn', () => {
    expect(messagesOf(openorca)).toEqual([[system('Be brief.'), user('Why?'), assistant('Because.')]])
    expect(messagesOf({ ...openorca, system_prompt: '' })).toEqual([[user('Why?'), assistant('Because.')]])
  })

  test('seed tasks: a row for each instance', () => {
    expect(messagesOf(seed)).toEqual([
      [user('Give the opposite.\nhot'), assistant('cold')],
      [user('Give the opposite.\nup'), assistant('down')],
    ])
  })

  test('self-instruct: the space before and the marker after a completion go', () => {
    expect(messagesOf(promptCompletion)).toEqual([[user('Task: add.\n\nOutput:'), assistant('3')]])
  })

  test('sharegpt: starts with gpt, does not alternate, ends with the human', () => {
    const row = {
      conversations: [
        says('system', 'S'),
        says('gpt', 'Welcome'),
        says('human', 'a'),
        says('human', 'b'),
        says('function_call', '{}'),
        says('observation', '42'),
        says('gpt', 'c'),
        says('human', 'bye'),
      ],
    }
    const { rows, repairs } = convert(row, 'instructions')
    expect(rows).toEqual([
      { messages: [system('S'), user('a\n\nb'), assistant('{}'), user('42'), assistant('c')] },
    ])
    expect(Object.values(repairs)).toEqual([1, 1, 1])
  })

  test('sharegpt: a system field counts', () => {
    expect(messagesOf({ ...sharegpt, system: 'S' })).toEqual([[system('S'), user('a'), assistant('b')]])
  })

  test('preferences teach their chosen answer, scored answers the best', () => {
    expect(messagesOf(demo)).toEqual([[user('Hello'), assistant('Hi, how can I help?')]])
    expect(messagesOf(ultrafeedback)).toEqual([[user('Name a colour.'), assistant('Blue.')]])
  })
})

describe('preferences', () => {
  test('PKU-SafeRLHF: by helpfulness or by safety, which may disagree', () => {
    const better = { prompt: pku.prompt, chosen: pku.response_0, rejected: pku.response_1 }
    expect(convert(pku, 'preferences').rows).toEqual([better])
    expect(convert(pku, 'preferences', { preference: 'better' }).rows).toEqual([better])
    expect(convert(pku, 'preferences', { preference: 'safer' }).rows).toEqual([
      { prompt: pku.prompt, chosen: pku.response_1, rejected: pku.response_0 },
    ])
  })

  test('ultrafeedback: the best against the worst, the earlier of equals; ties are skipped', () => {
    expect(convert(ultrafeedback, 'preferences').rows).toEqual([
      { prompt: 'Name a colour.', chosen: 'Blue.', rejected: 'No.', chosen_score: 7.5, rejected_score: 2 },
    ])
    const tie = {
      ...ultrafeedback,
      completions: ultrafeedback.completions.filter(({ response }) => response !== 'No.'),
    }
    const { rows, skipped, faults } = convert(tie, 'preferences')
    expect({ rows, skipped, faults }).toEqual({
      rows: [],
      skipped: { 'all answers have the same score': 1 },
      faults: [],
    })
  })

  test("binarized: the user's turn is taken out of the answers", () => {
    expect(convert(binarized, 'preferences').rows).toEqual([
      { prompt: 'Name a colour.', chosen: 'Blue.', rejected: 'No.', chosen_score: 8, rejected_score: 3 },
    ])
    const turns = [user('a'), assistant('b'), user('c')]
    const longer = { chosen: [...turns, assistant('d')], rejected: [...turns, assistant('e')] }
    expect(convert(longer, 'preferences').rows).toEqual([{ prompt: turns, chosen: 'd', rejected: 'e' }])
  })

  test('demos and plain pairs', () => {
    expect(convert(demo, 'preferences').rows).toEqual([
      { prompt: 'Hello', chosen: 'Hi, how can I help?', rejected: 'What?' },
    ])
    expect(convert(pair, 'preferences').rows).toEqual([pair])
    expect(convert({ ...pair, rejected: 'a' }, 'preferences').skipped).toEqual({
      'both answers are the same': 1,
    })
  })
})

describe('rewards', () => {
  test('scored answers form a group', () => {
    const format = formatNamed('ultrafeedback')
    const { rows } = convertRows(format, rowsOf(ultrafeedback, ultrafeedback), 'rewards')
    expect(rows).toHaveLength(6)
    expect(rows[1]).toEqual({ prompt: 'Name a colour.', response: 'No.', reward: 2, group: 0 })
    expect(rows[5]).toMatchObject({ group: 1 })
  })

  test('a pair gives its scores, or 1 and 0', () => {
    const rewards = (value: object) =>
      convert(value, 'rewards').rows.map((row) => (row as { reward: number }).reward)
    expect(rewards(binarized)).toEqual([8, 3])
    expect(rewards(demo)).toEqual([1, 0])
  })
})

describe('rows that cannot be read', () => {
  test.each<[string, object, Target, RegExp]>([
    ['alpaca', { instruction: 'a', input: 'b' }, 'instructions', /`output` is missing/],
    ['alpaca', { ...alpaca, output: ' ' }, 'instructions', /`output` is empty/],
    ['alpaca', { ...alpaca, output: 3 }, 'instructions', /`output` is a number/],
    ['openorca', { ...openorca, question: '' }, 'instructions', /`question` is empty/],
    ['seed-tasks', { ...seed, instances: [] }, 'instructions', /empty list/],
    ['seed-tasks', { ...seed, instances: [{ input: 'a' }] }, 'instructions', /`output` of element 1/],
    ['sharegpt', { conversations: [says('gpt', 'a')] }, 'instructions', /no answer/],
    ['sharegpt', { conversations: [says('human', 'a')] }, 'instructions', /no answer/],
    ['sharegpt', { conversations: [says('martian', 'a')] }, 'instructions', /spoken by `martian`/],
    ['sharegpt', { conversations: [says('constructor', 'a')] }, 'instructions', /spoken by `constructor`/],
    ['sharegpt', { conversations: 'a' }, 'instructions', /`conversations` is a string/],
    ['messages', { messages: [] }, 'instructions', /empty list/],
    ['self-instruct', { prompt: 'a', completion: ' <|endoftext|>' }, 'instructions', /`completion` is empty/],
    ['pku-saferlhf', { ...pku, better_response_id: 2 }, 'preferences', /`better_response_id` is 2/],
    ['pku-saferlhf', { ...pku, better_response_id: undefined }, 'preferences', /not 0 or 1/],
    ['ultrafeedback', { ...ultrafeedback, completions: [] }, 'preferences', /no completion/],
    ['ultrafeedback-binarized', { ...binarized, rejected: [assistant('x')] }, 'preferences', /same prompt/],
    ['ultrafeedback-binarized', { ...binarized, chosen: [user('x')] }, 'preferences', /does not end/],
    ['preference-demo', { ...demo, chosen: 'x' }, 'preferences', /`chosen` is a string/],
    ['preference-demo', { ...demo, chosen: says('human', 'x') }, 'preferences', /not the assistant's/],
    ['preference-demo', { ...demo, conversations: [says('gpt', 'x')] }, 'preferences', /user's turn/],
    ['pairs', { ...pair, chosen_score: 'high' }, 'preferences', /`chosen_score` is a string/],
  ])('%s: %j', (name, row, target, message) => {
    const { faults, rows } = convertRows(formatNamed(name), [{ line: 7, value: row as Row['value'] }], target)
    expect(rows).toEqual([])
    expect(faults).toEqual([{ line: 7, message: expect.stringMatching(message) }])
  })

  test('the others are converted, and completions without a score are counted', () => {
    const format = formatNamed('ultrafeedback')
    const unscored = { ...ultrafeedback, completions: [...ultrafeedback.completions, { response: 'x' }] }
    const { rows, faults, repairs } = convertRows(format, rowsOf({ instruction: 'a' }, unscored), 'rewards')
    expect(rows).toHaveLength(3)
    expect(faults.map(({ line }) => line)).toEqual([1])
    expect(repairs).toEqual({ 'completions without a score dropped': 1 })
  })

  test('a format that cannot give the target says what it gives', () => {
    expect(targetsOf(formatNamed('alpaca'))).toEqual(['instructions'])
    expect(() => convertRows(formatNamed('alpaca'), [], 'preferences')).toThrow(/hold no preferences/)
  })
})
