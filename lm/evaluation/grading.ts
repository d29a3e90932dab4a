/** @file Whether a reply is right: how its final answer is found, and what makes it equal to a known one. */
import { compilePattern, defaultAnswerPattern, exactMatch, finalAnswer, goldAnswer } from './final-answer.ts'
import { numericAnswer, sameNumber } from './numeric-answer.ts'

/**
 * `exact`: the final answer that the pattern finds, as it is written (numbers as numbers). `normalised`: the same
 * without case, punctuation and articles, as SQuAD is graded (arXiv 1606.05250); where the pattern finds nothing the
 * whole reply is the answer. `numeric`: the number that the reply ends in, as GSM8K is graded (arXiv 2110.14168).
 */
export const matches = ['exact', 'normalised', 'numeric'] as const
export type Match = (typeof matches)[number]

export interface GradingOptions {
  /** @default exact */
  readonly match?: Match | undefined
  /** Finds the final answer: its first group, or the whole match. @default `Answer: X` at the end of the reply */
  readonly answerPattern?: string | undefined
}

/** Lower case, without punctuation and English articles, single spaces: SQuAD's normalisation for any script. */
export function normaliseAnswer(text: string): string {
  return text
    .normalize('NFC')
    .toLowerCase()
    .replace(/[\p{P}\p{S}]/gu, '')
    .split(/\s+/u)
    .filter((word) => !['', 'a', 'an', 'the'].includes(word))
    .join(' ')
}

export interface Grader {
  /** The final answer; undefined where the reply has none. */
  answerOf(reply: string): string | undefined
  /** Whether the reply's answer is one of the known ones. */
  isRight(reply: string, answers: readonly string[]): boolean
}

/** @throws LmFailure `invalid-pattern` */
export function grader({ match = 'exact', answerPattern }: GradingOptions = {}): Grader {
  const pattern = compilePattern(answerPattern ?? defaultAnswerPattern)
  switch (match) {
    case 'exact': {
      const answerOf = (reply: string) => finalAnswer(reply, pattern)
      return {
        answerOf,
        isRight: (reply, answers) =>
          answers.some((answer) => exactMatch(answerOf(reply), goldAnswer(answer, pattern))),
      }
    }
    case 'normalised': {
      const answerOf = (reply: string) => {
        const answer = normaliseAnswer(finalAnswer(reply, pattern) ?? reply)
        return answer === '' ? undefined : answer
      }
      return {
        answerOf,
        isRight: (reply, answers) =>
          answers.some((answer) => answerOf(reply) === normaliseAnswer(goldAnswer(answer, pattern))),
      }
    }
    case 'numeric': {
      const numberOf = (text: string) =>
        numericAnswer(answerPattern === undefined ? text : (finalAnswer(text, pattern) ?? ''))
      return {
        answerOf: (reply) => numberOf(reply)?.toString(),
        isRight: (reply, answers) =>
          answers.some((answer) => sameNumber(numberOf(reply), numericAnswer(goldAnswer(answer, pattern)))),
      }
    }
  }
}
