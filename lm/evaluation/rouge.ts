/**
 * @file ROUGE (Lin 2004, https://aclanthology.org/W04-1013): F1 of the n-grams (ROUGE-1, ROUGE-2) or of the longest
 * common subsequence of words (ROUGE-L, each text taken as one sentence), on lower-cased words without punctuation.
 */
import { n as rougeOfOrder, l as rougeSummaryLevel } from 'js-rouge'

function words(text: string): string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []
}

/** Between 0 and 1. A text with fewer than `order` words has nothing in common with another. */
export function rougeN(candidate: string, reference: string, order: number): number {
  if (words(candidate).length < order || words(reference).length < order) return 0
  return rougeOfOrder(candidate, reference, { n: order, tokenizer: words })
}

/** Between 0 and 1. A text without any word has nothing in common with another. */
export function rougeL(candidate: string, reference: string): number {
  if (words(candidate).length === 0 || words(reference).length === 0) return 0
  return rougeSummaryLevel(candidate, reference, { segmenter: (text) => [text], tokenizer: words })
}

/** Means over parallel rows, where a row with several references counts by its best; 0 for no rows. */
export function meanRouge(
  candidates: readonly string[],
  references: readonly (readonly string[])[],
): { readonly rouge_1: number; readonly rouge_2: number; readonly rouge_l: number } {
  const mean = (score: (candidate: string, reference: string) => number) => {
    const best = candidates.map((candidate, row) =>
      Math.max(0, ...(references[row] ?? []).map((reference) => score(candidate, reference))),
    )
    return best.reduce((sum, value) => sum + value, 0) / Math.max(1, best.length)
  }
  return {
    rouge_1: mean((candidate, reference) => rougeN(candidate, reference, 1)),
    rouge_2: mean((candidate, reference) => rougeN(candidate, reference, 2)),
    rouge_l: mean(rougeL),
  }
}
