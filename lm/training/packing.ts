/**
 * @file Several short sequences as one row of the batch, so that less of it is padding. Documents stay apart:
 * positions start over and attention is blocked at each one's edge, so that every token's loss is what it would be in
 * a row of its own.
 */
import type { Sequence } from '../batches/sequence.ts'

/**
 * `bfd`: best-fit decreasing, whole documents. `wrapped`: one after another in their own order, cut wherever a row is
 * full; a piece does not see the one before it.
 */
export type PackingStrategy = 'bfd' | 'wrapped'

/**
 * Which documents share a row: the longest first, each into the fullest row that has room for it, the oldest among
 * equals; as TRL's `pack_dataset` does.
 * @param lengths tokens of each document, at most `capacity`
 */
export function bestFitDecreasing(lengths: readonly number[], capacity: number): number[][] {
  const order = lengths.map((_, index) => index).sort((a, b) => lengths[b]! - lengths[a]!)
  const rows: number[][] = []
  /** Rows by the room that they have left, in the order in which they came to it. */
  const withRoom: { readonly rows: number[][]; next: number }[] = []
  const room = (size: number) => {
    withRoom[size] ??= { rows: [], next: 0 }
    return withRoom[size]
  }
  for (const index of order) {
    const length = lengths[index]!
    if (length === 0) continue
    let space = length
    while (space < capacity && room(space).next === room(space).rows.length) space++
    let row: number[]
    if (space < capacity) {
      const queue = room(space)
      row = queue.rows[queue.next++]!
    } else {
      row = []
      rows.push(row)
    }
    row.push(index)
    room(space - length).rows.push(row)
  }
  return rows
}

/** A part of a document: its tokens from `start` to before `end`. */
export interface Piece {
  readonly document: number
  readonly start: number
  readonly end: number
}

/** Rows of exactly `capacity` tokens, but for the last. */
export function wrap(lengths: readonly number[], capacity: number): Piece[][] {
  const rows: Piece[][] = []
  let room = 0
  lengths.forEach((length, document) => {
    for (let start = 0; start < length; ) {
      if (room === 0) {
        rows.push([])
        room = capacity
      }
      const end = Math.min(length, start + room)
      rows.at(-1)!.push({ document, start, end })
      room -= end - start
      start = end
    }
  })
  return rows
}

/**
 * Packed rows of at most `capacity` tokens. A row without a token that counts is left out.
 * @param sequences for `bfd` none longer than `capacity`
 */
export function pack(
  sequences: readonly Sequence[],
  capacity: number,
  strategy: PackingStrategy,
): Sequence[] {
  const lengths = sequences.map(({ ids }) => ids.length)
  const rows =
    strategy === 'wrapped'
      ? wrap(lengths, capacity)
      : bestFitDecreasing(lengths, capacity).map((documents) =>
          documents.map((document): Piece => ({ document, start: 0, end: lengths[document]! })),
        )
  return rows
    .map((pieces) => joinPieces(sequences, pieces))
    .filter(({ weights }) => Array.from(weights).some((weight) => weight !== 0))
}

function joinPieces(sequences: readonly Sequence[], pieces: readonly Piece[]): Sequence {
  const ids: number[] = []
  const weights: number[] = []
  for (const { document, start, end } of pieces) {
    const sequence = sequences[document]!
    for (let position = start; position < end; position++) {
      ids.push(sequence.ids[position]!)
      // Nothing in the row predicts a piece's first token.
      weights.push(position === start ? 0 : sequence.weights[position]!)
    }
  }
  return { ids, weights, documents: pieces.map(({ start, end }) => end - start) }
}
