/**
 * @file The final answer of a reply, found by a pattern, and whether it equals the gold one.
 */
import { LmFailure } from '../failure.ts'

/** What follows `Answer:` at the end of a reply: one word or number, a full stop allowed after it. */
export const defaultAnswerPattern = 'Answer: *([\\p{L}\\p{N}.,-]*[\\p{L}\\p{N}])\\.?\\s*$'

/** Throws `LmFailure` `invalid-pattern` where the text is no regular expression. */
export function compilePattern(pattern: string, flags: 'u' | 'gu' = 'gu'): RegExp {
  try {
    return new RegExp(pattern, flags)
  } catch (error) {
    throw new LmFailure({
      code: 'invalid-pattern',
      message: (error as Error).message,
      hint: 'patterns are JavaScript regular expressions with the `u` flag',
    })
  }
}

/**
 * The first capture group (or, without groups, the whole match) of the pattern's **last** match in `text`, trimmed.
 * `undefined` where nothing matches: a reply without a final answer is wrong, not empty.
 */
export function finalAnswer(text: string, pattern: RegExp): string | undefined {
  let answer: string | undefined
  for (const match of text.matchAll(pattern)) answer = match[1] ?? match[0]
  return answer?.trim()
}

/** A gold field may hold the bare answer or a whole solution in which the pattern finds it (as in GSM8K). */
export function goldAnswer(gold: string, pattern: RegExp): string {
  return finalAnswer(gold, pattern) ?? gold.trim()
}

/** Thousands separators and a trailing `.00` do not make another number: `1,250` = `1250`, `85.0` = `85`. */
function canonicalAnswer(answer: string): string {
  const plain = answer.trim().normalize('NFC')
  if (!/^[-+]?[$€£]?\d{1,3}(,\d{3})+(\.\d+)?$|^[-+]?[$€£]?\d+(\.\d+)?$/u.test(plain)) return plain
  const digits = plain.replace(/[,$€£+]/gu, '')
  return digits.includes('.') ? digits.replace(/\.?0+$/u, '') : digits
}

export function exactMatch(answer: string | undefined, gold: string): boolean {
  return answer !== undefined && canonicalAnswer(answer) === canonicalAnswer(gold)
}
