/** @file The number that a worked answer ends in, as GSM8K (arXiv 2110.14168) is graded. */

const number = /[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|[-+]?\.\d+/g

/** The first number after the last `####`, else the last number of the text; undefined where there is none. */
export function numericAnswer(text: string): number | undefined {
  const mark = text.lastIndexOf('####')
  const found = text.slice(mark === -1 ? 0 : mark + 4).match(number)
  const chosen = mark === -1 ? found?.at(-1) : found?.[0]
  return chosen === undefined ? undefined : Number(chosen.replaceAll(',', ''))
}

/** Equal numbers, however they are written; never equal where one is missing. */
export function sameNumber(a: number | undefined, b: number | undefined): boolean {
  if (a === undefined || b === undefined) return false
  return Math.abs(a - b) <= 1e-9 * Math.max(1, Math.abs(a), Math.abs(b))
}
