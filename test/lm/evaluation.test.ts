/** @file Text metrics against worked cases and against figures of sacrebleu 2.6.0 and rouge_score 0.1.2. */
import { describe, expect, it } from 'vitest'
import { corpusBleu, tokenize13a } from '../../lm/evaluation/bleu.ts'
import { distinct } from '../../lm/evaluation/distinct.ts'
import {
  compilePattern,
  defaultAnswerPattern,
  exactMatch,
  finalAnswer,
  goldAnswer,
} from '../../lm/evaluation/final-answer.ts'
import { grader, normaliseAnswer } from '../../lm/evaluation/grading.ts'
import { numericAnswer } from '../../lm/evaluation/numeric-answer.ts'
import { meanRouge, rougeL, rougeN } from '../../lm/evaluation/rouge.ts'
import { gradeReplies, scoreReplies } from '../../lm/evaluation/score-replies.ts'
import { wilsonInterval } from '../../lm/evaluation/wilson.ts'
import { largestDifference, readReference } from './reference.ts'

interface OverlapReference {
  readonly rows: { readonly candidate: string; readonly reference: string; readonly rouge: number[] }[]
  readonly bleu: number
}

/** BLEU: sacrebleu.corpus_bleu with its defaults. ROUGE-L: rouge_score's rougeL F1 without stemming. */
const published: { candidates: string[]; references: string[]; bleu: number; rouge: number[] }[] = [
  {
    candidates: ['The cat sat on the mat.', 'He bought 1,250 apples & paid $3.50!'],
    references: ['The cat is on the mat.', 'He purchased 1,250 apples and paid $3.50.'],
    bleu: 31.116648864423915,
    rouge: [0.8333333333333334, 0.823529411764706],
  },
  {
    candidates: [
      'It is a guide to action which ensures that the military always obeys the commands of the party.',
    ],
    references: ['It is a guide to action that ensures that the military will forever heed Party commands.'],
    bleu: 39.67088290836578,
    rouge: [0.6470588235294118],
  },
  {
    candidates: ['a b c d', 'x y'],
    references: ['a b c e', 'x z'],
    bleu: 53.7284965911771,
    rouge: [0.75, 0.5],
  },
  {
    candidates: ['completely different words here'],
    references: ['nothing in common at all'],
    bleu: 0,
    rouge: [0],
  },
  {
    candidates: ['the the the the the the the'],
    references: ['the cat is on the mat'],
    bleu: 7.809849842300637,
    rouge: [0.30769230769230765],
  },
  {
    candidates: ['40+30=70, 7+8=15, 70+15=85. Answer: 85', 'Answer: et'],
    references: ['40+30=70, 7+8=15, 70+15=85. Answer: 85', 'Answer: et'],
    bleu: 100,
    rouge: [1, 1],
  },
  {
    candidates: ['Zürich liegt am See; es war schön dort (sagt man).', ''],
    references: ['Zürich liegt an einem See, und es war dort schön.', 'Ja.'],
    bleu: 9.55204080682377,
    // rouge_score splits words at letters that are not ASCII (0.667); whole words: 6 in common of 10 each.
    rouge: [0.6, 0],
  },
]

describe('overlap with reference texts', () => {
  it.each(published)(
    'agrees with published implementations: $candidates.0',
    ({ candidates, references, bleu, rouge }) => {
      expect(corpusBleu(candidates, references)).toBeCloseTo(bleu, 9)
      for (const [row, expected] of rouge.entries()) {
        expect(rougeL(candidates[row]!, references[row]!)).toBeCloseTo(expected, 9)
      }
    },
  )

  it('agrees with sacrebleu and rouge_score on forty pairs', () => {
    const { rows, bleu } = readReference<{ overlap: OverlapReference }>('evaluation.json').overlap
    for (const { candidate, reference, rouge } of rows) {
      const ours = [
        rougeN(candidate, reference, 1),
        rougeN(candidate, reference, 2),
        rougeL(candidate, reference),
      ]
      expect(largestDifference(ours, rouge), candidate).toBeLessThan(1e-8)
    }
    const texts = rows.map(({ candidate }) => candidate)
    const references = rows.map(({ reference }) => reference)
    expect(corpusBleu(texts, references)).toBeCloseTo(bleu, 6)
  })

  it('takes the best of several references', () => {
    expect(meanRouge(['a b c'], [['x y', 'a b d', 'a b c']])).toEqual({ rouge_1: 1, rouge_2: 1, rouge_l: 1 })
    expect(meanRouge(['a', ''], [['a'], ['b']])).toEqual({ rouge_1: 0.5, rouge_2: 0, rouge_l: 0.5 })
  })

  it('tokenises numbers, entities and punctuation as mteval-v13a does', () => {
    expect(tokenize13a("It costs $1,250.50 (&quot;net&quot;), 3-4 days; isn't it?")).toEqual([
      'It',
      'costs',
      '$',
      '1,250.50',
      '(',
      '"',
      'net',
      '"',
      ')',
      ',',
      '3',
      '-',
      '4',
      'days',
      ';',
      "isn't",
      'it',
      '?',
    ])
  })

  it('scores nothing as 0', () => {
    expect(corpusBleu([], [])).toBe(0)
    expect(corpusBleu([''], ['a b c d'])).toBe(0)
  })
})

describe('final answers', () => {
  const pattern = compilePattern(defaultAnswerPattern)

  it('takes the last match, at the end of the reply only', () => {
    expect(finalAnswer('40+30=70. Answer: 85', pattern)).toBe('85')
    expect(finalAnswer('Answer: 12. No. Answer: et.', pattern)).toBe('et')
    expect(finalAnswer('Answer: 3.50', pattern)).toBe('3.50')
    expect(finalAnswer('Answer: 85 because', pattern)).toBeUndefined()
    expect(finalAnswer('', pattern)).toBeUndefined()
  })

  it('refuses what is no regular expression', () => {
    expect(() => compilePattern('(')).toThrowError(expect.objectContaining({ code: 'invalid-pattern' }))
  })

  it('reads gold solutions through the same pattern', () => {
    const gsm = compilePattern('#### *(\\S+)')
    expect(goldAnswer('9 * 2 = 18\n#### 18', gsm)).toBe('18')
    expect(goldAnswer(' 18 ', gsm)).toBe('18')
  })

  it('compares numbers as numbers and words as words', () => {
    expect(exactMatch('1,250', '1250')).toBe(true)
    expect(exactMatch('85.0', '85')).toBe(true)
    expect(exactMatch('-7', '7')).toBe(false)
    expect(exactMatch('100', '1')).toBe(false)
    expect(exactMatch('Et', 'et')).toBe(false)
    expect(exactMatch('1,2', '12')).toBe(false)
    expect(exactMatch(undefined, '')).toBe(false)
  })
})

describe('grading', () => {
  it('normalises as SQuAD does', () => {
    expect(normaliseAnswer('  The Eiffel-Tower, in Paris! ')).toBe('eiffeltower in paris')
    expect(normaliseAnswer('Cien años a la orilla')).toBe('cien años la orilla')
    const { isRight, answerOf } = grader({ match: 'normalised' })
    expect(isRight('the Eiffel Tower.', ['Eiffel Tower'])).toBe(true)
    expect(isRight('I think so. Answer: Paris', ['paris'])).toBe(true)
    expect(isRight('It is Paris', ['paris'])).toBe(false)
    expect(isRight('Lyon', ['Paris', 'lyon'])).toBe(true)
    expect(answerOf('The.')).toBeUndefined()
  })

  it('reads numbers as GSM8K does', () => {
    expect(numericAnswer('She has 3 + 4 = 7 and so #### 1,234')).toBe(1234)
    expect(numericAnswer('First 3, then -4.5 apples.')).toBe(-4.5)
    expect(numericAnswer('none')).toBeUndefined()
    const { isRight, answerOf } = grader({ match: 'numeric' })
    expect(isRight('So she pays $1,250.00.', ['9 * 2 = 18\n#### 1250'])).toBe(true)
    expect(isRight('So 18 of 20', ['18'])).toBe(false)
    expect(answerOf('no number')).toBeUndefined()
    expect(
      grader({ match: 'numeric', answerPattern: 'Answer: (.*)$' }).isRight('Answer: 18 of', ['18']),
    ).toBe(true)
  })
})

describe('variety, length and shares', () => {
  it('divides different n-grams by all n-grams', () => {
    expect(distinct(['a b a b', 'a b'], 1)).toBeCloseTo(2 / 6)
    expect(distinct(['a b a b', 'a b'], 2)).toBeCloseTo(2 / 4)
    expect(distinct(['a'], 2)).toBe(0)
  })

  it('reports every number, per task too', () => {
    const request = {
      replies: ['40+30=70, 7+8=15, 70+15=85. Answer: 85', 'Answer: et', 'no idea', ''],
      questions: [
        { answer: '85', task: 'add' },
        { answer: 'at', task: 'last' },
        { answer: '3', task: 'add' },
        { answer: '4' },
      ],
      options: { patterns: { worked: '^(?!Answer)' } },
    }
    const values = scoreReplies(request)
    expect(gradeReplies(request)).toEqual([true, false, false, false])
    expect(values).toMatchObject({
      questions: 4,
      exact_match: 0.25,
      answered: 0.5,
      'exact_match/add': 0.5,
      'questions/add': 2,
      'exact_match/last': 0,
      'share/worked': 0.75,
      empty: 0.25,
      mean_words: (5 + 2 + 2) / 4,
    })
    expect(Object.values(values).every(Number.isFinite)).toBe(true)
  })

  it('keeps every number finite for an empty set', () => {
    expect(Object.values(scoreReplies({ replies: [], questions: [] })).every(Number.isFinite)).toBe(true)
  })
})

it("gives Wilson's interval", () => {
  // 8 of 10: Brown, Cai and DasGupta 2001 give [0.490, 0.943] at 95%.
  const { low, high } = wilsonInterval(0.8, 10)
  expect(low).toBeCloseTo(0.4902, 3)
  expect(high).toBeCloseTo(0.9433, 3)
  expect(wilsonInterval(0, 10).low).toBe(0)
  expect(wilsonInterval(1, 10).high).toBe(1)
})
