/** @file What becomes of votes: scores, winners, and the files that hold them. */
import { isDeepStrictEqual } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parseRubric } from '../../lm/judging/rubric.ts'
import { meanVote, verdictReader } from '../../lm/judging/verdict.ts'
import { createRandom } from '../../lm/random.ts'
import { judged, judgedFull, samples } from '../../stages/artifacts/judged.ts'
import { rubric } from '../../stages/artifacts/rubric.ts'
import { chooseRubric } from '../../stages/judge/choose-rubric.ts'
import judge from '../../stages/judge/index.ts'
import { reservoirSample } from '../../stages/judge/reservoir.ts'
import { readReference } from '../lm/reference.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'
import { policy } from './training-runs.ts'

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

describe('the rubric', () => {
  const inputs = () => ({ model: 'nowhere', responses: temporaryFile('responses.jsonl', answered) })

  it('is refused before anything is loaded', async () => {
    const failure = (params: object, given = {}) =>
      failureOf(runStage(judge, { ...inputs(), ...given }, { ...params }))
    expect(await failure({ rubric: 'Score {reply}' })).toMatchObject({
      code: 'invalid-rubric',
      message: 'the rubric has no {question}',
    })
    expect(await failure({ rubric: 'additve' })).toMatchObject({
      code: 'unknown-rubric',
      hint: expect.stringContaining('additive, pairwise'),
    })
    expect(await failure({ score_pattern: '(' })).toMatchObject({
      code: 'invalid-pattern',
      message: expect.stringContaining('`score_pattern`'),
    })
    expect(await failure({ minimum: 5 })).toMatchObject({ code: 'empty-range' })
    const rubric = temporaryFile('rubric.md', '{question}\n{replie} {reply}')
    expect(await failure({}, { rubric })).toMatchObject({ code: 'invalid-rubric', file: rubric, line: 2 })
    expect(await failure({ rubric: '{question} {reply} {reference}' })).toMatchObject({
      code: 'no-reference',
      message: expect.stringContaining('row 1'),
    })
    expect(await failure({ score_from: 'logits', maximum: 1000 })).toMatchObject({ code: 'unlisted-scores' })
    expect(await failure({ score_from: 'logits', opening: 'Score: 3,' })).toMatchObject({
      code: 'opening-has-verdict',
    })
  })

  it('as a file is an artifact: its faults have their lines', async () => {
    const faults = async (text: string) => {
      const found = []
      for await (const fault of rubric.validate(temporaryFile('rubric.md', text))) found.push(fault)
      return found
    }
    expect(await faults('{question} {reply}')).toEqual([])
    expect(await faults('---\nmode: rank\n---\n{question} {reply}')).toEqual([
      { message: '`mode` is neither score nor pairwise', line: 2 },
    ])
    expect(await rubric.describe(temporaryFile('rubric.md', '{question} {reply}'))).toBe('scores from 0 to 5')
  })

  it('comes built in, additive and pairwise', () => {
    const choice = { opening: '' }
    expect(chooseRubric(undefined, { ...choice, rubric: 'additive' })).toMatchObject({
      mode: 'score',
      minimum: 0,
      maximum: 5,
      opening: '',
    })
    expect(chooseRubric(undefined, { ...choice, rubric: 'pairwise' }).mode).toBe('pairwise')
  })

  it('gives way to parameters, and goes before the rubric that is named', () => {
    const file = temporaryFile('rubric.md', '---\nmaximum: 10\nopening: "Mark:"\n---\n{question} {reply}')
    const choice = { rubric: 'additive', opening: '' }
    expect(chooseRubric(file, choice)).toMatchObject({
      text: '{question} {reply}',
      maximum: 10,
      opening: 'Mark:',
    })
    expect(chooseRubric(file, { ...choice, opening: 'Score:', maximum: 7 })).toMatchObject({
      maximum: 7,
      opening: 'Score:',
    })
  })
})

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
    const read = verdictReader(parseRubric(`---\npattern: ([0-9])\n---\n${settings.rubric}`))
    for (const each of candidates) {
      expect(each.votes).toHaveLength(3)
      expect(each.score).toBe(meanVote(each.votes))
      expect(each.votes[0]).toBe(read(each.judge_output)?.value ?? null)
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

describe('scores from probabilities', () => {
  interface ChoiceCase {
    readonly shares: number[]
  }
  const [open] = readReference<ChoiceCase[]>('judging/choices.json')
  const expectation = open!.shares.reduce((sum, share, score) => sum + share * score, 0)
  /** The prompt of the first case. */
  const rows = [{ prompt: 'What is 12 minus 5?', responses: ['7.', '8.', '7.'].map(candidate) }]
  const logits = {
    score_from: 'logits',
    rubric: '{question} Reply: {reply}',
    score_pattern: 'score: ?([0-9])',
  }

  it('are the mean over the admissible ones right after the opening, asked once', async () => {
    const run = await judgeAnswers({ ...logits, opening: 'Score:' }, rows)
    const [first, other, same]: Judged[] = run.rows('full')[0].candidates
    expect(Math.abs(first!.score! - expectation)).toBeLessThan(1e-5)
    expect(first!.votes).toEqual([first!.score])
    expect(first!.judge_output).toMatch(/^Score: 1 36\.3%, 3 31\.5%, 4 24\.9%, /)
    expect(same).toEqual(first)
    expect(other!.score).not.toBe(first!.score)
    expect(run.logs.join('\n')).toContain('2 verdicts on 2 different replies, 0 without a score')
  })

  it('do not depend on the seed or on what is scored along with them', async () => {
    const scores = async (params: object) =>
      (await judgeAnswers({ ...logits, opening: 'Score:', ...params }, rows))
        .rows('full')[0]
        .candidates.map(({ score }: Judged) => score)
    const found = await scores({})
    expect(await scores({ seed: 5, temperature: 0.2 })).toEqual(found)
    for (const [index, score] of (await scores({ batch_size: 1 })).entries()) {
      expect(Math.abs(score - found[index])).toBeLessThan(1e-5)
    }
  })

  it('are taken where a verdict in free text has its score, and nowhere without one', async () => {
    const text = await judgeAnswers()
    const run = await judgeAnswers({ score_from: 'logits' })
    const found = (of: typeof run): Judged[] => of.rows('full').flatMap((row) => row.candidates)
    const votes = found(run).flatMap((each) => each.votes)
    const read = found(text).flatMap((each) => each.votes)
    expect(found(run).map((each) => each.judge_output)).toEqual(found(text).map((each) => each.judge_output))
    expect(votes.map((vote) => vote === null)).toEqual(read.map((vote) => vote === null))
    for (const vote of votes)
      if (vote !== null) expect(vote > 0 && vote < 5 && !Number.isInteger(vote)).toBe(true)
  })
})

describe('a pairwise rubric', () => {
  const compare = {
    rubric: 'Q: {question} A: {reply_a} B: {reply_b}',
    // The random model's first letter; none in nine of ten.
    score_pattern: '([abc])',
    temperature: 0,
  }

  it('compares each pair in both orders, and makes win rates the scores', async () => {
    const run = await judgeAnswers({ ...compare, max_new_tokens: 60 })
    const rows = run.rows('full')
    expect(run.logs.join('\n')).toMatch(/14 verdicts on 8 pairs/)
    const [first] = rows
    const [hello, no, again, cat]: Judged[] = first.candidates
    // Votes: against the other candidates, in order.
    expect(hello!.votes).toHaveLength(3)
    expect([hello!.votes[1], again!.votes[0]]).toEqual([0.5, 0.5])
    expect(again!.score).toBe(hello!.score)
    for (const [one, other] of [
      [hello!.votes[0], no!.votes[0]],
      [no!.votes[2], cat!.votes[1]],
    ] as const) {
      expect(one === null ? other === null : one! + other! === 1).toBe(true)
    }
    for (const { score, votes } of rows.flatMap((row): Judged[] => row.candidates)) {
      expect(score).toBe(meanVote(votes))
    }
    for await (const fault of judgedFull.validate(run.outputs.full!)) throw new Error(fault.message)
  })

  it('takes preferences from probabilities', async () => {
    const logits = { score_from: 'logits', opening: 'Verdict:', score_pattern: 'verdict: ?(a|b|tie)' }
    const run = await judgeAnswers({ ...compare, ...logits, pairing: 'against-first' })
    const candidates: Judged[][] = run.rows('full').map((row) => row.candidates)
    for (const [first, ...others] of candidates) {
      expect(first!.score).toBe(0.5)
      for (const { score, votes } of others) {
        expect(votes).toEqual([score])
        expect(score! > 0 && score! < 1).toBe(true)
      }
    }
    // The second `Hello` reads as the first one does.
    expect(candidates[0]![2]!.score).toBe(0.5)
    expect(candidates[0]![1]!.score).not.toBe(0.5)
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
