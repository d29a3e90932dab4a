/**
 * @file What a judge's words say, as a number: a score within its range, or which of two replies is better (1 the
 * first, 0 the second, 0.5 neither).
 */
import { mean } from '../evaluation/mean.ts'
import { LmFailure } from '../failure.ts'
import type { Rubric } from './rubric.ts'

export interface FoundVerdict {
  readonly value: number
  /** Where the score or the name of the better reply begins in the text that was read. */
  readonly start: number
}

/** Reads one verdict; null where it says nothing that can be used. */
export type VerdictReader = (verdict: string) => FoundVerdict | null

/** `Score: 4`, also with a full-width colon, in bold, in angle brackets, of `/5`; never a part of `4/10`. */
export const scorePattern = String.raw`(?:\*\*)?score(?:\*\*)?\s*[:：]\s*(?:\*\*)?\s*<?(\d+(?:\.\d+)?)>?(?!\d|\.\d|\s*/\s*(?!5\b)\d)`

/**
 * `Verdict: A`, `Verdict: B`, `Verdict: tie`, also `a tie`, `Reply B`, in bold or brackets, and `[[A]]`; never the
 * list of what may be said ("Verdict: A, B or tie").
 */
export const preferencePattern = [
  String.raw`(?:(?:verdict|winner|better(?:\s+reply)?)(?:\*\*)?\s*[:：][\s[<("'*]*(?:(?:reply|answer|response|assistant)\s+)?|\[\[)`,
  String.raw`(?:an?\s+(?=tie|draw))?(a|b|c|tie|draw|equal)\b(?!\s*(?:,|/|or)\s*(?:b|tie)\b)`,
].join('')

/** Letters of the replies as they are shown; `C` is what some rubrics call a tie. */
const preferences: Readonly<Record<string, number>> = {
  a: 1,
  b: 0,
  c: 0.5,
  tie: 0.5,
  draw: 0.5,
  equal: 0.5,
}

/** @throws LmFailure `invalid-pattern` */
export function verdictReader(rubric: Rubric): VerdictReader {
  const expression = compile(rubric.pattern)
  return (verdict) => {
    // Anchors see the verdict without the white space around it.
    const lead = verdict.length - verdict.trimStart().length
    const match = expression.exec(verdict.trim())
    const found = match?.[1]
    if (found === undefined || found.trim() === '') return null
    const value = rubric.mode === 'pairwise' ? preferences[found.toLowerCase()] : scoreOf(found, rubric)
    return value === undefined ? null : { value, start: lead + match!.indices![1]![0] }
  }
}

/** A number out of range ("Score: 10") is no score, never a clipped one. */
function scoreOf(text: string, { minimum, maximum }: Rubric): number | undefined {
  const score = Number(text)
  return Number.isFinite(score) && score >= minimum && score <= maximum ? score : undefined
}

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'di')
  } catch (error) {
    throw new LmFailure({
      code: 'invalid-pattern',
      message: `\`score_pattern\` is no regular expression: ${(error as Error).message}`,
    })
  }
}

/** One thing that a verdict may say, as the judge would write it. */
export interface VerdictChoice {
  readonly text: string
  readonly value: number
}

/** Most whole scores that are told apart by their probabilities. */
const mostChoices = 101

/**
 * What a verdict may say, for reading it off the judge's probabilities: the whole numbers of the range, or A, B, tie.
 * @throws LmFailure `unlisted-scores` where the range has no whole numbers or too many
 */
export function verdictChoices(rubric: Rubric): readonly VerdictChoice[] {
  if (rubric.mode === 'pairwise') {
    return [
      { text: 'A', value: 1 },
      { text: 'B', value: 0 },
      { text: 'tie', value: 0.5 },
    ]
  }
  const lowest = Math.ceil(rubric.minimum)
  const count = Math.floor(rubric.maximum) - lowest + 1
  if (count < 2 || count > mostChoices) {
    throw new LmFailure({
      code: 'unlisted-scores',
      message: `there are ${Math.max(0, count)} whole scores from ${rubric.minimum} to ${rubric.maximum}`,
      hint: `\`score_from: logits\` weighs the whole scores of the range: it takes 2 to ${mostChoices} of them`,
    })
  }
  return Array.from({ length: count }, (_, index) => ({
    text: String(lowest + index),
    value: lowest + index,
  }))
}

/** Mean of the votes that could be read; null where none could. */
export function meanVote(votes: readonly (number | null)[]): number | null {
  const read = votes.filter((vote) => vote !== null)
  return read.length === 0 ? null : mean(read)
}
