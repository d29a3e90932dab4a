/** @file Rubrics: what they say, and where their faults lie. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { fillRubric, parseRubric, readRubric } from '../../../lm/judging/rubric.ts'
import { preferencePattern, scorePattern } from '../../../lm/judging/verdict.ts'

const folder = mkdtempSync(join(tmpdir(), 'flow-rubric-'))
afterAll(() => rmSync(folder, { recursive: true }))

function read(...lines: string[]) {
  const file = join(folder, 'rubric.md')
  writeFileSync(file, lines.join('\n'))
  return readRubric(file)
}

describe('a rubric', () => {
  it('without front matter scores from 0 to 5, or compares two replies', () => {
    const usual = { opening: '', usesReference: false, minimum: 0 }
    expect(read('Q: {question}', 'R: {reply}', '')).toEqual({
      ...usual,
      mode: 'score',
      text: 'Q: {question}\nR: {reply}',
      pattern: scorePattern,
      maximum: 5,
    })
    expect(read('{question} {reply_a} {reply_b}')).toMatchObject({
      mode: 'pairwise',
      pattern: preferencePattern,
    })
  })

  it('says in its front matter how verdicts are read', () => {
    const rubric = read(
      '---',
      'description: marks out of ten',
      'mode: score',
      'minimum: 1',
      'maximum: 10',
      'opening: "Mark:"',
      String.raw`pattern: 'mark: (\d+)'`,
      '---',
      '',
      '{question} {reply} {answer}',
    )
    expect(rubric).toEqual({
      mode: 'score',
      text: '{question} {reply} {answer}',
      pattern: String.raw`mark: (\d+)`,
      minimum: 1,
      maximum: 10,
      opening: 'Mark:',
      usesReference: true,
    })
  })

  it.each<[string, number, string, ...string[]]>([
    ['a closing line is missing', 1, 'no closing line', '---', 'minimum: 1', '{question} {reply}'],
    ['no text', 3, 'no text', '---', 'minimum: 1', '---'],
    [
      'an unknown setting',
      3,
      'unknown setting `maxmum`',
      '---',
      'minimum: 1',
      'maxmum: 2',
      '---',
      '{question} {reply}',
    ],
    ['YAML that is none', 3, 'no YAML', '---', 'minimum: 1', 'maximum: [', '---', '{question} {reply}'],
    ['a list', 2, 'no list of `name: value`', '---', '- a', '---', '{question} {reply}'],
    [
      'a number that is none',
      2,
      '`maximum` is no number',
      '---',
      'maximum: ten',
      '---',
      '{question} {reply}',
    ],
    ['a text that is none', 2, '`opening` is no text', '---', 'opening: 3', '---', '{question} {reply}'],
    [
      'a setting of several values',
      2,
      '`opening` is no single value',
      '---',
      'opening: [a]',
      '---',
      '{question} {reply}',
    ],
    [
      'an empty range',
      3,
      '`minimum` 5 is not below',
      '---',
      'mode: score',
      'minimum: 5',
      '---',
      '{question} {reply}',
    ],
    ['another mode', 2, '`mode`', '---', 'mode: rank', '---', '{question} {reply}'],
    [
      'a range for a comparison',
      2,
      '`minimum` is for scores',
      '---',
      'minimum: 0',
      '---',
      '{question} {reply_a} {reply_b}',
    ],
    [
      'a pattern that is none',
      2,
      'no regular expression',
      '---',
      "pattern: '('",
      '---',
      '{question} {reply}',
    ],
    ['a pattern without a group', 2, 'no group', '---', 'pattern: \\d', '---', '{question} {reply}'],
    ['no question', 3, 'has no {question}', '', '', 'Judge {reply}'],
    ['one reply of two', 1, 'has no {reply_b}', '{question} {reply_a}'],
    [
      'a mode that the text does not suit',
      4,
      'has no {reply_a}',
      '---',
      'mode: pairwise',
      '---',
      '{question} {reply}',
    ],
    [
      'a mistyped placeholder',
      5,
      'unknown placeholder {replies}',
      '---',
      'minimum: 1',
      '---',
      '{question}',
      '{replies}',
    ],
  ])('is refused at its line: %s', (_, line, message, ...lines) => {
    expect(() => read(...lines)).toThrow(
      expect.objectContaining({
        code: 'invalid-rubric',
        line,
        file: join(folder, 'rubric.md'),
        message: expect.stringContaining(message),
      }),
    )
  })

  it('names no file where it is none', () => {
    expect(() => parseRubric('{question}')).toThrow(
      expect.objectContaining({
        code: 'invalid-rubric',
        details: expect.not.objectContaining({ file: expect.anything() }),
      }),
    )
    expect(() => readRubric(join(folder, 'nowhere.md'))).toThrow(
      expect.objectContaining({ code: 'unreadable-file' }),
    )
  })
})

describe('fillRubric', () => {
  it('takes each value as it is, braces and all', () => {
    const rubric = parseRubric('Q: {question} R: {reply} {{reply}} \\frac{a}{b}')
    expect(fillRubric(rubric, { question: 'What is {reply}?', reply: '$& {question}' })).toBe(
      'Q: What is {reply}? R: $& {question} {reply} \\frac{a}{b}',
    )
    const pair = parseRubric('{question} {reply_a} {reply_b} {reference} {answer}')
    expect(fillRubric(pair, { question: 'q', reply_a: 'a', reply_b: 'b', reference: 'r' })).toBe('q a b r r')
  })
})
