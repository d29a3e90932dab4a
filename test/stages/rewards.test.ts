/** @file What scores completions: rules, and functions of the user's with their own files and lines. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { moduleReward } from '../../stages/rewards/module.ts'
import type { RewardInput } from '../../stages/rewards/reward.ts'
import { type RuleSettings, ruleReward } from '../../stages/rewards/rule.ts'
import { failureOf, temporaryFile, temporaryFolder } from './run-stage.ts'

const hooks = { signal: new AbortController().signal, draw: '0/0', progress() {} }

function inputs(rows: readonly (readonly [completion: string, answer?: string])[]): RewardInput[] {
  return rows.map(([completion, answer]) => ({
    prompt: 'Q',
    completion,
    row: { prompt: 'Q', ...(answer !== undefined && { answer }) },
  }))
}

function scores(settings: RuleSettings, rows: readonly (readonly [string, string?])[]) {
  return ruleReward('it', settings).score(inputs(rows), hooks)
}

describe('rules', () => {
  it('exact: the final answer, however a number is written', async () => {
    const rows = [
      ['40+30=70. Answer: 85', '85'],
      ['Answer: 1,250.00.', '1250'],
      ['Answer: 58', '85'],
      ['85', '85'],
      ['Answer: knife', 'knife'],
    ] as const
    expect(await scores({ rule: 'exact' }, rows)).toEqual([1, 1, 0, 0, 1])
    const boxed = { rule: 'exact', answer_pattern: String.raw`\\boxed\{(.*?)\}` } as const
    expect(await scores(boxed, [[String.raw`so \boxed{7} then \boxed{9}`, '9']])).toEqual([1])
  })

  it('numeric: the last number, against the one after #### as in GSM8K', async () => {
    const rows = [
      ['It costs $1,234.50 in all.', 'Add them: 1000+234.5.\n#### 1,234.5'],
      ['3 apples and 4 pears: 7', '#### 7'],
      ['7, or perhaps 8', '#### 7'],
      ['-5', '-5.0'],
      ['none', '7'],
      ['#### 12 (and 4 left)', '12'],
    ] as const
    expect(await scores({ rule: 'numeric' }, rows)).toEqual([1, 1, 0, 1, 0, 1])
  })

  it('matches: a regular expression', async () => {
    const rule = { rule: 'matches', pattern: '^<think>.*</think>' } as const
    expect(await scores(rule, [['<think>a</think> 7'], ['7'], ['<think>a</think>']])).toEqual([1, 0, 1])
  })

  it.each([
    [{ rule: 'matches' }, 'reward `it` needs a `pattern`'],
    [{ rule: 'numeric', pattern: 'x' }, 'reward `it` is `numeric`, which takes no `pattern`'],
    [
      { rule: 'matches', pattern: 'x', answer_pattern: 'y' },
      'reward `it` is `matches`, which takes no `answer_pattern`',
    ],
    [{ rule: 'matches', pattern: '(' }, 'Invalid regular expression: /(/u: Unterminated group'],
  ] as const)('refuses %j', (settings, message) => {
    expect(() => ruleReward('it', settings)).toThrow(message)
  })
})

describe('a function of the user', () => {
  const load = (text: string, name = 'mine.ts') => moduleReward('mine', temporaryFile(name, text), () => {})
  const rows = inputs([['abc'], ['']])

  it('gets prompt, completion and row, and may be asynchronous', async () => {
    const reward = await load(`
      import { exactMatch } from 'flow/lm/evaluation/final-answer.ts'
      interface Item { prompt: string; completion: string; row: { answer?: string } }
      export default async function score(batch: Item[]): Promise<(number | null)[]> {
        return batch.map(({ prompt, completion, row }) =>
          completion === '' ? null : completion.length + prompt.length + (exactMatch('1,000', row.answer ?? '') ? 10 : 0))
      }`)
    expect(await reward.score(rows, hooks)).toEqual([4, null])
    expect(await reward.score(inputs([['ab', '1000']]), hooks)).toEqual([13])
  })

  it.each([
    ['export default () => 3', 'returned 3, not a list'],
    ['export default () => [1]', 'returned 1 scores for 2 completions'],
    ["export default () => [1, 'high']", 'the score of completion 2 is a string, not a number'],
    ['export default () => [NaN, 1]', 'the score of completion 1 is NaN, not a number'],
    ['export default () => [1, undefined]', 'the score of completion 2 is undefined, not a number'],
    [
      'export default (batch) => batch.map(async () => 1)',
      'the score of completion 1 is a promise, not a number',
    ],
  ])('must return numbers: %s', async (text, message) => {
    const reward = await load(text)
    const failure = await failureOf(reward.score(rows, hooks))
    expect(failure).toMatchObject({ code: 'invalid-reward', message })
    expect(failure.file).toMatch(/mine\.ts$/)
  })

  it('must be there, compile and stand by itself', async () => {
    expect(await failureOf(load('export const score = 1'))).toMatchObject({ code: 'no-reward-function' })
    expect(await failureOf(load('\nexport default (batch => 1'))).toMatchObject({
      code: 'compile-error',
      line: 2,
    })
    expect(await failureOf(load("throw new Error('at once')"))).toMatchObject({
      code: 'code-failed',
      message: 'Error: at once',
    })
    const folder = temporaryFolder()
    writeFileSync(`${folder}/grade.ts`, 'export const grade = () => 1')
    writeFileSync(`${folder}/mine.ts`, "import { grade } from './grade.ts'\nexport default () => [grade()]")
    expect(await failureOf(moduleReward('mine', `${folder}/mine.ts`, () => {}))).toMatchObject({
      code: 'not-one-file',
      message: expect.stringContaining('imports grade.ts'),
    })
    // Nor is a file the one file because its name ends alike.
    mkdirSync(`${folder}/inner`)
    writeFileSync(`${folder}/package.json`, '{}')
    writeFileSync(`${folder}/grade.ts`, 'export const grade = () => 1')
    writeFileSync(
      `${folder}/inner/grade.ts`,
      "import { grade } from '../grade.ts'\nexport default () => [grade()]",
    )
    expect(await failureOf(moduleReward('mine', `${folder}/inner/grade.ts`, () => {}))).toMatchObject({
      code: 'not-one-file',
      message: expect.stringContaining('imports grade.ts'),
    })
    // A folder of the project's is not Flow's, whatever it is called.
    mkdirSync(`${folder}/lm`)
    writeFileSync(`${folder}/lm/grade.ts`, 'export const grade = () => 1')
    writeFileSync(
      `${folder}/mine.ts`,
      "import { grade } from './lm/grade.ts'\nexport default () => [grade()]",
    )
    expect(await failureOf(moduleReward('mine', `${folder}/mine.ts`, () => {}))).toMatchObject({
      code: 'not-one-file',
      message: expect.stringContaining('imports lm/grade.ts'),
    })
  })

  it('says of packages that nothing keeps track of them', async () => {
    const warnings: string[] = []
    const file = temporaryFile('mine.ts', "import { parse } from 'yaml'\nexport default () => [parse('1')]")
    await moduleReward('mine', file, (text) => warnings.push(text))
    expect(warnings).toEqual([
      expect.stringMatching(
        /^reward `mine` imports yaml@[\d.]+: an update of these makes no stage run again$/,
      ),
    ])
  })
})
