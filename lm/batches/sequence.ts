/** @file Tokens of one text, and which of them count as targets. */

export interface Sequence {
  readonly ids: readonly number[]
  /** Weight of each token as a target, by position in `ids`; the first token is never one. 0 does not count. */
  readonly weights: ArrayLike<number>
  /** Lengths of the documents packed into it, one after another. @default it is one document */
  readonly documents?: readonly number[] | undefined
}

/** Tokens of a sequence that count as targets. */
export function targetCount({ ids, weights }: Sequence): number {
  let count = 0
  for (let position = 1; position < ids.length; position++) if (weights[position]) count++
  return count
}
