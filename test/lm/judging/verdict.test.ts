/** @file What a judge's words say as a number. */
import { describe, expect, it } from 'vitest'
import { parseRubric, type Rubric } from '../../../lm/judging/rubric.ts'
import { meanVote, verdictChoices, verdictReader } from '../../../lm/judging/verdict.ts'

const scoring = parseRubric('{question} {reply}')
const comparing = parseRubric('{question} {reply_a} {reply_b}')

function reader(rubric: Rubric) {
  const read = verdictReader(rubric)
  return (verdict: string) => read(verdict)?.value ?? null
}

describe('the score of a verdict', () => {
  const read = reader(scoring)

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
    const tens = reader({ ...scoring, pattern: 'rating = (-?\\d+)', minimum: -10, maximum: 10 })
    expect(tens('Rating = -7')).toBe(-7)
    expect(tens('rating = 11')).toBeNull()
    const by = (pattern: string) => reader({ ...scoring, pattern })
    expect(by('Score')('Score')).toBeNull()
    expect(by('Score: (\\w+)')('Score: good')).toBeNull()
    expect(by('Score: *(\\d*)')('Score: ')).toBeNull()
    expect(by('^(\\d)$')('\n 4 \n')).toBe(4)
  })

  it('is found where it stands', () => {
    const text = '\n It is clear.\n**Score: 3.5**'
    expect(verdictReader(scoring)(text)).toEqual({ value: 3.5, start: text.indexOf('3.5') })
  })

  it('is the mean of the votes that could be read, and none where none could', () => {
    expect(meanVote([4, null, 3])).toBe(3.5)
    expect(meanVote([0, 0])).toBe(0)
    expect(meanVote([null, null])).toBeNull()
    expect(meanVote([])).toBeNull()
  })
})

describe('the verdict on a pair', () => {
  const read = reader(comparing)

  it.each<[string, number | null]>([
    ['Verdict: A', 1],
    ['Verdict: B', 0],
    ['Verdict: tie', 0.5],
    ['verdict：b', 0],
    ['**Verdict:** B', 0],
    ['**Verdict: A**', 1],
    ['Verdict: **Reply B**', 0],
    ['Verdict: <A>', 1],
    ['Verdict:\nB', 0],
    ['Verdict: a tie', 0.5],
    ['Verdict: A draw', 0.5],
    ['Both are fine, but [[B]] is shorter', 0],
    ['[[C]]', 0.5],
    ['Winner: Reply A, since it is right', 1],
    ['Better reply: B', 0],
    ['Verdict: A, B or tie\nVerdict: B', 0],
    ['Verdict: <letter of the better reply, or tie>\nVerdict: A', 1],
    ['Verdict: A. At first B looked better', 1],
    ['Verdict: Alas', null],
    ['Verdict: neither', null],
    ['A is better', null],
    ['', null],
  ])('%j is %j', (verdict, preference) => {
    expect(read(verdict)).toBe(preference)
  })
})

describe('what a verdict may say', () => {
  it('is each whole score of the range, or A, B and tie', () => {
    const texts = (rubric: Rubric) => verdictChoices(rubric).map(({ text }) => text)
    expect(texts(scoring)).toEqual(['0', '1', '2', '3', '4', '5'])
    expect(texts({ ...scoring, minimum: 0.5, maximum: 2.5 })).toEqual(['1', '2'])
    expect(verdictChoices(comparing).map(({ value }) => value)).toEqual([1, 0, 0.5])
  })

  it.each([
    [0.2, 0.8],
    [0, 1000],
  ])('is refused from %d to %d', (minimum, maximum) => {
    expect(() => verdictChoices({ ...scoring, minimum, maximum })).toThrow(
      expect.objectContaining({ code: 'unlisted-scores' }),
    )
  })
})
