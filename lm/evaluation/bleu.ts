/**
 * @file Corpus BLEU-4 (Papineni et al. 2002, https://aclanthology.org/P02-1040) with one reference a reply, on the
 * `13a` tokens of the WMT evaluations. An order without any match counts as 1 / (2^k total), k = 1, 2, ... over
 * such orders (NIST's smoothing, method 3 of Chen and Cherry 2014), so that figures agree with sacrebleu's defaults.
 * No npm package gives sacrebleu's figures, which is why the code is our own; `test/fixtures/reference/evaluation.json`
 * compares it.
 */

const maxOrder = 4

/** Splits off ASCII punctuation, but keeps `'`, and keeps `.` `,` between digits and `-` after letters. */
export function tokenize13a(text: string): string[] {
  const spaced = ` ${text} `
    .replaceAll('<skipped>', '')
    .replaceAll('-\n', '')
    .replaceAll('\n', ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replace(/[!-&(-+/:-@[-`{-~]/gu, ' $& ')
    .replace(/([^0-9])([.,])/gu, '$1 $2 ')
    .replace(/([.,])([^0-9])/gu, ' $1 $2')
    .replace(/([0-9])-/gu, '$1 - ')
  return spaced.split(/\s+/u).filter((token) => token !== '')
}

/** Occurrences of each n-gram of `tokens`. */
export function countNgrams(tokens: readonly string[], order: number): Map<string, number> {
  const counts = new Map<string, number>()
  for (let start = 0; start + order <= tokens.length; start += 1) {
    const ngram = tokens.slice(start, start + order).join('\u0000')
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1)
  }
  return counts
}

/** Between 0 and 100. `candidates` and `references` are parallel; an empty corpus scores 0. */
export function corpusBleu(candidates: readonly string[], references: readonly string[]): number {
  const matched = new Array<number>(maxOrder).fill(0)
  const total = new Array<number>(maxOrder).fill(0)
  let candidateLength = 0
  let referenceLength = 0
  for (const [row, candidate] of candidates.entries()) {
    const tokens = tokenize13a(candidate)
    const referenceTokens = tokenize13a(references[row] ?? '')
    candidateLength += tokens.length
    referenceLength += referenceTokens.length
    for (let order = 1; order <= maxOrder; order += 1) {
      const referenceCounts = countNgrams(referenceTokens, order)
      for (const [ngram, count] of countNgrams(tokens, order)) {
        matched[order - 1]! += Math.min(count, referenceCounts.get(ngram) ?? 0)
      }
      total[order - 1]! += Math.max(0, tokens.length - order + 1)
    }
  }
  if (matched.every((count) => count === 0) || total.includes(0)) return 0

  let logPrecision = 0
  let unmatchedOrders = 0
  for (const [index, count] of matched.entries()) {
    if (count === 0) unmatchedOrders += 1
    const numerator = count === 0 ? 2 ** -unmatchedOrders : count
    logPrecision += Math.log(numerator / total[index]!) / maxOrder
  }
  const brevity = candidateLength < referenceLength ? Math.exp(1 - referenceLength / candidateLength) : 1
  return Math.min(100, 100 * brevity * Math.exp(logPrecision))
}
