/** @file Numbers as readers of the report see them. */

export function formatPercent(share: number, digits = 1): string {
  return `${(100 * share).toFixed(digits)}%`
}

/** Three significant digits, no trailing zeros, a thin `e` form where it is shorter. */
export function formatNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return value.toLocaleString('en-US')
  const magnitude = Math.abs(value)
  if (magnitude !== 0 && (magnitude < 1e-3 || magnitude >= 1e9))
    return value.toExponential(1).replace('e+', 'e')
  if (magnitude >= 100) return value.toFixed(magnitude >= 1000 ? 0 : 1)
  return String(Number(value.toPrecision(3)))
}

/** `+35.5 points`, `-2.0 points`. */
export function formatPoints(difference: number): string {
  const points = 100 * difference
  return `${points >= 0 ? '+' : '\u2212'}${Math.abs(points).toFixed(1)} points`
}

/** Numbers of one table row with the same digits after the point, as many as the largest of them needs. */
export function formatAlike(values: readonly number[]): (value: number) => string {
  if (values.every(Number.isInteger)) return formatNumber
  const largest = values.reduce((high, value) => Math.max(high, Math.abs(value)), 0)
  if (largest < 0.1) return formatNumber
  const digits = largest >= 100 ? 0 : largest >= 10 ? 1 : 2
  return (value) => value.toFixed(digits)
}

const knownNames: Readonly<Record<string, string>> = {
  rouge_l: 'ROUGE-L',
  bleu: 'BLEU',
  distinct_1: 'distinct-1',
  distinct_2: 'distinct-2',
}

/** `many_words/part` as `many words: part`. */
export function readableName(name: string): string {
  return knownNames[name] ?? name.replaceAll('_', ' ').replaceAll('/', ': ')
}

export function plural(count: number, noun: string, nouns = `${noun}s`): string {
  return `${formatNumber(count)} ${count === 1 ? noun : nouns}`
}
