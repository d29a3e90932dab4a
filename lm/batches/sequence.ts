/** @file Tokens of one text, and which of them count as targets. */

export interface Sequence {
  readonly ids: readonly number[]
  /** Weight of each token as a target, by position in `ids`; the first token is never one. 0 does not count. */
  readonly weights: ArrayLike<number>
  /**
   * Lengths of the documents packed into it, one after another, of which none sees another. The first token of each has
   * no weight. @default it is one document
   */
  readonly documents?: readonly number[] | undefined
}

/** Tokens of a sequence that count as targets. */
export function targetCount({ ids, weights }: Sequence): number {
  let count = 0
  for (let position = 1; position < ids.length; position++) if (weights[position]) count++
  return count
}

export interface Document {
  readonly ids: readonly number[]
  readonly weights: ArrayLike<number>
}

export function documentsOf({ ids, weights, documents }: Sequence): Document[] {
  if (documents === undefined) return [{ ids, weights }]
  let start = 0
  return documents.map((size) => {
    const from = start
    start += size
    return { ids: ids.slice(from, start), weights: Array.prototype.slice.call(weights, from, start) }
  })
}
