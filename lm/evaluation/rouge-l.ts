/**
 * @file ROUGE-L (Lin 2004, https://aclanthology.org/W04-1013): the F1 of the longest common subsequence of words,
 * each text taken as one sentence, on lower-cased words without punctuation.
 */
import { l as rougeSummaryLevel } from 'js-rouge'

function words(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
}

/** Between 0 and 1. A text without any word has nothing in common with another. */
export function rougeL(candidate: string, reference: string): number {
  if (words(candidate).length === 0 || words(reference).length === 0) return 0
  return rougeSummaryLevel(candidate, reference, { segmenter: (text) => [text], tokenizer: words })
}

/** Mean over parallel rows; 0 for none. */
export function meanRougeL(candidates: readonly string[], references: readonly string[]): number {
  if (candidates.length === 0) return 0
  const sum = candidates.reduce(
    (total, candidate, row) => total + rougeL(candidate, references[row] ?? ''),
    0,
  )
  return sum / candidates.length
}
