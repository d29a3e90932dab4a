/**
 * @file Token sequences as the arrays that a compiled step takes. Vocabulary scores are computed only at positions
 * whose next token counts.
 */
import type { HostBatch, HostTensor } from '../tensor/host-tensor.ts'
import { attentionArrays } from './causal-arrays.ts'
import { type LayoutSettings, layOut, type RowLayout } from './layout.ts'
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
 * `ids` int32 [rows, length] and what attention reads of them (`attentionInputs`); `rows` int32 [slots] (hidden states
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
    return { shape: [shape.slots], data }
  }
  const padded = new Float32Array(shape.slots)
  padded.set(weights)
  return {
    arrays: {
      ids: { shape: [shape.rows, shape.length], data: ids },
      rows: integers(rows),
      labels: integers(labels),
      weights: { shape: [shape.slots], data: padded },
      ...attentionArrays(settings.config, shape, places),
    },
    layout: { ...shape, counted: rows.length, spans },
  }
}

/** How a batch of them would be laid out. */
export function rowsOf(sequences: readonly Sequence[], settings: LayoutSettings): RowLayout {
  const inputs = sequences.flatMap(inputsOf)
  const counted = sequences.reduce((sum, sequence) => sum + targetCount(sequence), 0)
  return layOut(inputs, counted, settings)
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
  return { shape: [layout.spans.length, layout.slots], data }
}

/** One number a sequence. */
export function perSequence(values: readonly number[]): HostTensor {
  return { shape: [values.length], data: Float32Array.from(values) }
}
