/**
 * @file distinct-n (Li et al. 2016, https://aclanthology.org/N16-1014): how varied a set of replies is, as the
 * number of different n-grams over the number of all n-grams in all replies together.
 */
import { countNgrams } from './bleu.ts'

/** Between 0 and 1; 0 where no reply is `order` words long. Words are separated by white space. */
export function distinct(replies: readonly string[], order: number): number {
  const seen = new Set<string>()
  let total = 0
  for (const reply of replies) {
    const tokens = reply.split(/\s+/u).filter((token) => token !== '')
    for (const [ngram, count] of countNgrams(tokens, order)) {
      seen.add(ngram)
      total += count
    }
  }
  return total === 0 ? 0 : seen.size / total
}
