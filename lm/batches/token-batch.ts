/**
 * @file Token sequences as the arrays that a compiled step takes. Vocabulary scores are computed only at positions
 * whose next token counts.
 */
import type { HostBatch, HostTensor } from '../tensor/host-tensor.ts'
import { attentionArrays } from './causal-arrays.ts'
import { type Candidate, candidates, type LayoutSettings, layOut, type RowLayout } from './layout.ts'
import { ofPlaces, ofSlots } from './open-sizes.ts'
import { documentsOf, type Sequence, targetCount } from './sequence.ts'

/** Where each sequence's counted tokens lie among the batch's labels. */
export interface BatchLayout extends Omit<RowLayout, 'places'> {
  /** Tokens that count. */
  readonly counted: number
  /** For each sequence: its first slot and how many it has; slots follow the sequence's own order. */
  readonly spans: readonly { readonly start: number; readonly count: number }[]
}

export interface TokenBatch {
  readonly arrays: HostBatch
  readonly layout: BatchLayout
}

/**
 * `ids` int32 [rows, spans of queries, span] and what attention reads of them (`attentionInputs`); `rows` int32 [slots] (hidden states
 * that predict a counted token, one for several where they share it), `labels` int32 [slots], `weights` [slots] (0 for
 * padding slots). The last token of each document only ever serves as a label.
 */
export function tokenBatch(sequences: readonly Sequence[], settings: LayoutSettings): TokenBatch {
  const documents = sequences.map(documentsOf)
  const { places, ...shape } = rowsOf(sequences, settings)
  const ids = new Int32Array(shape.rows * shape.length)
  const rows: number[] = []
  const labels: number[] = []
  const weights: number[] = []
  let document = 0
  const spans = documents.map((own) => {
    const start = rows.length
    for (const { ids: tokens, weights: counts } of own) {
      const at = places[document++]!
      at.forEach((place, position) => {
        ids[place] = tokens[position]!
        const weight = counts[position + 1]
        if (!weight) return
        rows.push(place)
        labels.push(tokens[position + 1]!)
        weights.push(weight)
      })
    }
    return { start, count: rows.length - start }
  })
  const integers = (values: readonly number[]) => {
    const data = new Int32Array(shape.slots)
    data.set(values)
    return ofSlots(data)
  }
  const padded = new Float32Array(shape.slots)
  padded.set(weights)
  return {
    arrays: {
      ids: ofPlaces(shape, ids),
      rows: integers(rows),
      labels: integers(labels),
      weights: ofSlots(padded),
      ...attentionArrays(settings.config, shape, places),
    },
    layout: { ...shape, counted: rows.length, spans },
  }
}

/** How a batch of them would be laid out. */
export function rowsOf(sequences: readonly Sequence[], settings: LayoutSettings): RowLayout {
  return layOut(sequences.flatMap(inputsOf), countedOf(sequences), settings)
}

/** The ways to lay them out. */
export function candidatesOf(sequences: readonly Sequence[], settings: LayoutSettings): Candidate[] {
  return candidates(sequences.flatMap(inputsOf), countedOf(sequences), settings)
}

function countedOf(sequences: readonly Sequence[]): number {
  return sequences.reduce((sum, sequence) => sum + targetCount(sequence), 0)
}

/** The tokens of each of its documents that the model reads: all but the last. */
export function inputsOf(sequence: Sequence): (readonly number[])[] {
  return documentsOf(sequence).map(({ ids }) => ids.slice(0, -1))
}

/** [sequences, slots]: 1 where the slot's token belongs to the sequence. Turns token values into sequence sums. */
export function membership(layout: BatchLayout): HostTensor {
  const data = new Float32Array(layout.spans.length * layout.slots)
  layout.spans.forEach(({ start, count }, index) => {
    data.fill(1, index * layout.slots + start, index * layout.slots + start + count)
  })
  return ofSlots(data, layout.spans.length)
}

/** One number a sequence. */
export function perSequence(values: readonly number[]): HostTensor {
  return { shape: [values.length], data: Float32Array.from(values) }
}
