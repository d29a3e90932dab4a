/** @file Two sets of replies compared: swapped orders, ties, intervals, and sets that do not belong together. */
import { describe, expect, it } from 'vitest'
import { wilsonInterval } from '../../lm/evaluation/wilson.ts'
import { settlePair } from '../../lm/judging/pairwise.ts'
import winRateStage from '../../stages/win-rate/index.ts'
import { winRateMetrics } from '../../stages/win-rate/metrics.ts'
import { failureOf, runStage, temporaryFile } from './run-stage.ts'
import { policy } from './training-runs.ts'

const questions = ['What is 8 plus 8?', 'Hi', 'Which word comes first: saw or glove?', 'What is 12 minus 5?']
const replies = (texts: readonly string[]) =>
  questions.map((prompt, row) => ({ prompt, reply: texts[row]!, answer: 'x', correct: false }))
const good = replies(['Answer: 16.', 'Hello there', 'glove', '7'])
const bad = replies(['No', 'Go away now', 'saw', '7'])

/** The tiny model has 128 positions. */
const rubric = 'Q: {question}\nA: {reply_a}\nB: {reply_b}'

function compare(a: readonly object[], b: readonly object[], params: object = {}) {
  return runStage(
    winRateStage,
    { ...policy, a: temporaryFile('a.jsonl', a), b: temporaryFile('b.jsonl', b) },
    { rubric, score_from: 'logits', opening: 'Verdict: ', max_new_tokens: 8, ...params },
  )
}

const valuesOf = (text: string) => JSON.parse(text).values

describe('win rate', () => {
  it('turns round when the sets change places', async () => {
    const forward = await compare(good, bad)
    const values = valuesOf(forward.text('metrics'))
    const swapped = valuesOf((await compare(bad, good)).text('metrics'))
    expect(values).toMatchObject({ comparisons: 4, unread: 0 })
    expect(values.wins + values.ties + values.losses).toBe(4)
    expect(swapped.win_rate).toBeCloseTo(1 - values.win_rate, 12)
    expect([swapped.wins, swapped.ties, swapped.losses]).toEqual([values.losses, values.ties, values.wins])
    const verdicts = forward.rows('verdicts')
    expect(verdicts.map(({ prompt }) => prompt)).toEqual(questions)
    // Equal replies are a tie, and nobody is asked.
    expect(verdicts[3]).toMatchObject({ winner: 'tie', judge_output: [] })
  })

  it('is a half of a set against itself', async () => {
    const values = valuesOf((await compare(good, good)).text('metrics'))
    expect(values).toMatchObject({ win_rate: 0.5, wins: 0, ties: 4, losses: 0 })
  })

  it('takes the first candidate of responses', async () => {
    const sampled = (rows: typeof good) =>
      rows.map(({ prompt, reply }) => ({
        prompt,
        responses: [reply, 'other'].map((text) => ({ text, token_ids: [1], logps: [-1], finished: true })),
      }))
    const run = await compare(sampled(good), bad)
    expect(run.rows('verdicts').map(({ a }) => a)).toEqual(good.map(({ reply }) => reply))
  })

  it('refuses sets that do not answer the same questions, and rubrics that score', async () => {
    expect(await failureOf(compare(good, bad.slice(1)))).toMatchObject({
      code: 'different-questions',
      message: 'has 3 rows, the other set of replies 4',
    })
    expect(await failureOf(compare(good, [...bad.slice(1), bad[0]!]))).toMatchObject({
      code: 'different-questions',
      message: expect.stringContaining('row 1'),
    })
    expect(await failureOf(compare(good, bad, { rubric: 'additive' }))).toMatchObject({
      code: 'invalid-rubric',
    })
    expect(
      await failureOf(compare(good.slice(0, 3), bad.slice(0, 3), { score_from: 'text', opening: '' })),
    ).toMatchObject({
      code: 'no-verdicts',
    })
  })
})

describe('its figures', () => {
  const pairs = [
    { a: 'one two three four', b: 'one two three four five' },
    { a: 'one', b: 'one two' },
    { a: 'x y', b: 'y x' },
    { a: 'same', b: 'same' },
  ]

  it('count ties half, tell position bias, and keep pairs of like length apart', () => {
    // Agreed for a; the first shown both times; unread; equal.
    const verdicts = [settlePair(1, 0), settlePair(1, 1), settlePair(null, 0), settlePair(0.5, 0.5)]
    const values = winRateMetrics(pairs, verdicts)!
    const { low, high } = wilsonInterval(2 / 3, 3)
    expect(values).toMatchObject({
      win_rate: expect.closeTo(2 / 3, 12),
      win_rate_low: low,
      win_rate_high: high,
      wins: 1,
      ties: 2,
      losses: 0,
      unread: 1,
      agreement: 0.5,
      first_preferred: 0.75,
      'comparisons/like_length': 3,
      'win_rate/like_length': 0.75,
      'mean_words/a': (4 + 1 + 2 + 1) / 4,
    })
    expect(
      winRateMetrics(
        pairs,
        pairs.map(() => settlePair(null, null)),
      ),
    ).toBeUndefined()
  })
})
