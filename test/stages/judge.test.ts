/** @file How verdicts are read, and what becomes of votes. */
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { createRandom } from '../../lm/random.ts'
import { judged, judgedFull, samples } from '../../stages/artifacts/judged.ts'
import judge from '../../stages/judge/index.ts'
import { reservoirSample } from '../../stages/judge/reservoir.ts'
import { additiveRubric, judgePrompt, meanVote, rubricText, scoreReader } from '../../stages/judge/rubric.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'
import { policy } from './training-runs.ts'

const { default: defaultPattern } = judge.params.properties.score_pattern as unknown as { default: string }

describe('the score of a verdict', () => {
  const read = scoreReader(defaultPattern, 0, 5)

  it.each<[string, number | null]>([
    ['Score: 4', 4],
    ['Score:4', 4],
    ['score: 0', 0],
    ['SCORE : 5', 5],
    ['**Score:** 3.5', 3.5],
    ['**Score: 2**', 2],
    ['**Score**: 1', 1],
    ['Score: **4**', 4],
    ['Score：4', 4],
    ['Score： 2.5', 2.5],
    ['score: 3/5', 3],
    ['Score: 3 / 5', 3],
    ['Score: 3/5.', 3],
    ['Score: 4/10', null],
    ['Score: 3.5 / 10', null],
    ['Score: 4/50', null],
    ['Score: <4>', 4],
    ['Score:\n4', 4],
    ['It is clear and right.\nScore: 4.\n', 4],
    ['I would say\n\nScore: 4.25 points', 4.25],
    ['Score: 2, at first; on reflection Score: 4', 2],
    ['Score: <points, 0 to 5>\nScore: 3', 3],
    ['Total score: 3', 3],
    ['Score: 10', null],
    ['Score: 5.5', null],
    ['Score: 55', null],
    ['Score: -1', null],
    ['Score: five', null],
    ['Score 4', null],
    ['4 points', null],
    ['', null],
    ['A score of 4: good', null],
  ])('%j is %j', (verdict, score) => {
    expect(read(verdict)).toBe(score)
  })

  it('lies in the given range, read by the given pattern', () => {
    const tens = scoreReader('rating = (-?\\d+)', -10, 10)
    expect(tens('Rating = -7')).toBe(-7)
    expect(tens('rating = 11')).toBeNull()
    expect(scoreReader('Score', 0, 5)('Score')).toBeNull()
    expect(scoreReader('Score: (\\w+)', 0, 5)('Score: good')).toBeNull()
    expect(scoreReader('Score: *(\\d*)', 0, 5)('Score: ')).toBeNull()
  })

  it('is the mean of the votes that could be read, and none where none could', () => {
    expect(meanVote([4, null, 3])).toBe(3.5)
    expect(meanVote([0, 0])).toBe(0)
    expect(meanVote([null, null])).toBeNull()
    expect(meanVote([])).toBeNull()
  })
})

describe('the rubric', () => {
  it('takes question and reply once each, braces and all', () => {
    const rubric = 'Q: {question} R: {reply}'
    expect(judgePrompt(rubric, 'What is {reply}?', '$& {question}')).toBe(
      'Q: What is {reply}? R: $& {question}',
    )
    expect(rubricText('additive')).toBe(additiveRubric)
    expect(rubricText(rubric)).toBe(rubric)
  })

  it('without a placeholder, or a pattern that is none, is refused before anything is loaded', async () => {
    const responses = temporaryFile('responses.jsonl', [])
    const inputs = { model: 'nowhere', responses }
    expect(await failureOf(runStage(judge, inputs, { rubric: 'Score {reply}' }))).toMatchObject({
      code: 'invalid-rubric',
      message: 'the rubric has no {question}',
    })
    expect(await failureOf(runStage(judge, inputs, { score_pattern: '(' }))).toMatchObject({
      code: 'invalid-pattern',
      message: expect.stringContaining('`score_pattern`'),
    })
  })
})

const candidate = (text: string) => ({ text, token_ids: [text.length, 2], logps: [-1, -2], finished: true })
const answered = [
  { prompt: 'Hi', responses: ['Hello', 'No', 'Hello', 'The cat'].map(candidate) },
  { prompt: [{ role: 'user', content: 'Hi' }], responses: ['No', 'Bye'].map(candidate) },
  { prompt: 'What is 8 plus 8?', responses: ['Answer: 16.', 'Answer: 88.', 'I pass'].map(candidate) },
]
/** The random model writes bytes at random; its first digit is taken for its score. */
const settings = {
  rubric: 'Q: {question} R: {reply}',
  score_pattern: '([0-9])',
  votes: 3,
  temperature: 1.5,
  top_p: 1,
  max_new_tokens: 24,
}

function judgeAnswers(params: object = {}, rows: readonly object[] = answered) {
  return runStage(
    judge,
    { ...policy, responses: temporaryFile('responses.jsonl', rows) },
    { ...settings, ...params },
  )
}

interface Judged {
  readonly response: string
  readonly score: number | null
  readonly votes: (number | null)[]
  readonly judge_output: string
}

describe('the stage', () => {
  it('makes each verdict begin with the given opening', async () => {
    const opening = 'Score: 3 of the points, since'
    const run = await judgeAnswers({ opening, score_pattern: 'Score: ([0-9])' })
    const candidates: Judged[] = run.rows('full').flatMap((row) => row.candidates)
    expect(candidates.some(({ judge_output }) => judge_output.length > opening.length)).toBe(true)
    for (const { judge_output, votes, score } of candidates) {
      expect(judge_output.startsWith(opening)).toBe(true)
      expect([votes, score]).toEqual([[3, 3, 3], 3])
    }
  })

  it('averages the votes that it could read and keeps all of them', async () => {
    const run = await judgeAnswers()
    const rows = run.rows('full')
    const candidates: Judged[] = rows.flatMap((row) => row.candidates)
    const votes = candidates.flatMap((each) => each.votes)
    expect(votes.some((vote) => vote === null)).toBe(true)
    expect(votes.some((vote) => vote !== null)).toBe(true)
    const read = scoreReader('([0-9])', 0, 5)
    for (const each of candidates) {
      expect(each.votes).toHaveLength(3)
      expect(each.score).toBe(meanVote(each.votes))
      expect(each.votes[0]).toBe(read(each.judge_output))
    }
    expect(rows[0].candidates[0]).toMatchObject({ token_ids: [5, 2], logps: [-1, -2], finished: true })
    expect(rows.map(({ instruction }) => instruction)).toEqual(answered.map(({ prompt }) => prompt))
  })

  it('judges equal replies to one question once', async () => {
    const run = await judgeAnswers()
    const [first, second] = run.rows('full')
    const verdict = ({ votes, judge_output, score }: Judged) => ({ votes, judge_output, score })
    expect(verdict(first.candidates[2])).toEqual(verdict(first.candidates[0]))
    // The same question as a list of messages.
    expect(verdict(second.candidates[0])).toEqual(verdict(first.candidates[1]))
    expect(run.logs.join('\n')).toMatch(/21 verdicts on 7 different replies, \d+ without a score/)
  })

  it('names the best and the worst of a prompt that has two scores, and leaves out the others', async () => {
    const run = await judgeAnswers({ votes: 1 })
    const full = run.rows('full')
    for (const row of full) {
      const scores: number[] = row.candidates.flatMap(({ score }: Judged) => score ?? [])
      expect(row.has_valid_pair).toBe(scores.length >= 2)
      if (scores.length < 2) {
        expect(row).toMatchObject({ chosen: null, chosen_score: null, rejected: null, rejected_score: null })
        continue
      }
      expect(row.chosen_score).toBe(Math.max(...scores))
      expect(row.rejected_score).toBe(Math.min(...scores))
      const first = (score: number) => row.candidates.find((each: Judged) => each.score === score).response
      expect([row.chosen, row.rejected]).toEqual([first(row.chosen_score), first(row.rejected_score)])
    }
    const valid = full.filter((row) => row.has_valid_pair)
    expect(run.rows('judged')).toEqual(valid.map(({ has_valid_pair, ...row }) => row))
    for (const [type, port] of [
      [judged, 'judged'],
      [judgedFull, 'full'],
      [samples, 'samples'],
    ] as const) {
      for await (const fault of type.validate(run.outputs[port]!)) throw new Error(fault.message)
    }
  })

  it('gives no score, never 0, where no vote could be read, and warns', async () => {
    const run = await judgeAnswers({ score_pattern: 'never(1)' })
    for (const row of run.rows('full')) {
      expect(row.has_valid_pair).toBe(false)
      for (const { score, votes } of row.candidates as Judged[]) {
        expect(score).toBeNull()
        expect(votes).toEqual([null, null, null])
      }
    }
    expect(run.rows('judged')).toEqual([])
    expect(run.warnings).toEqual(['21 of 21 verdicts carry no score'])
  })

  it('is a function of its seed', async () => {
    const [first, again, other] = [
      await judgeAnswers(),
      await judgeAnswers(),
      await judgeAnswers({ seed: 1 }),
    ]
    for (const port of ['judged', 'full', 'samples']) expect(again.text(port)).toBe(first.text(port))
    expect(other.text('full')).not.toBe(first.text('full'))
  })

  it('samples candidates without replacement, in their order', async () => {
    const all = answered.flatMap(({ responses }) => responses.map(({ text }) => text))
    const everything = await judgeAnswers({ samples: 20 })
    expect(everything.rows('samples').map(({ response }) => response)).toEqual(all)
    expect(Object.keys(everything.rows('samples')[0])).toEqual([
      'instruction',
      'response',
      'score',
      'votes',
      'judge_output',
    ])
    const some = (await judgeAnswers({ samples: 4 })).rows('samples')
    expect(some).toHaveLength(4)
    const places = some.map((row) =>
      everything.rows('samples').findIndex((each) => isDeepStrictEqual(each, row)),
    )
    expect(places).toEqual([...places].sort((a, b) => a - b))
    expect((await judgeAnswers({ samples: 0 })).rows('samples')).toEqual([])
  })
})

describe('reservoirSample', () => {
  const items = Array.from({ length: 12 }, (_, item) => item)

  it('takes each item as often, none twice, in their order', () => {
    const counts = items.map(() => 0)
    const draws = 6000
    for (let seed = 0; seed < draws; seed++) {
      const taken = reservoirSample(items, 5, createRandom(seed))
      expect(taken).toEqual([...new Set(taken)].sort((a, b) => a - b))
      expect(taken).toHaveLength(5)
      for (const item of taken) counts[item]!++
    }
    // Five standard deviations of a binomial count.
    const [mean, spread] = [(draws * 5) / 12, Math.sqrt(draws * (5 / 12) * (7 / 12))]
    for (const count of counts) expect(Math.abs(count - mean)).toBeLessThan(5 * spread)
  })

  it('takes all of fewer items, and none for size 0', () => {
    expect(reservoirSample(items, 20, createRandom(0))).toEqual(items)
    expect(reservoirSample(items, 0, createRandom(0))).toEqual([])
    expect(reservoirSample([], 3, createRandom(0))).toEqual([])
  })
})
