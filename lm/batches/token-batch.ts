/**
 * @file A micro-batch of token sequences as the arrays that a compiled step takes. Shapes come from a few buckets,
 * since each new shape compiles a new graph. Vocabulary scores are computed only at positions whose next token
 * counts.
 */

import type { HostBatch, HostTensor } from '../tensor/host-tensor.ts'
import { bucketLength } from './buckets.ts'
import type { Sequence } from './sequence.ts'

/** Where each sequence's counted tokens lie among the batch's labels. */
export interface BatchLayout {
  /** Tokens that count. */
  readonly counted: number
  /** Rows of the label arrays, padding included. */
  readonly slots: number
  /** For each sequence: its first slot and how many it has; slots follow the sequence's own order. */
  readonly spans: readonly { readonly start: number; readonly count: number }[]
}

function bucketSlots(counted: number, capacity: number): number {
  for (const share of [8, 4, 2]) if (counted * share <= capacity) return Math.ceil(capacity / share)
  return capacity
}

/**
 * `ids` int32 [batch * length], `rows` int32 [slots] (hidden states that predict a counted token), `labels` int32
 * [slots], `weights` [slots] (0 for padding slots). Sequences are padded on the right; the last token of each only
 * ever serves as a label.
 */
export function tokenBatch(sequences: readonly Sequence[]): {
  arrays: HostBatch
  layout: BatchLayout
  length: number
} {
  const longest = Math.max(...sequences.map((sequence) => sequence.ids.length)) - 1
  const length = bucketLength(Math.max(1, longest))
  const ids = new Int32Array(sequences.length * length)
  const rows: number[] = []
  const labels: number[] = []
  const weights: number[] = []
  const spans = sequences.map((sequence, index) => {
    const start = rows.length
    sequence.ids.forEach((id, position) => {
      if (position < sequence.ids.length - 1) ids[index * length + position] = id
      if (position === 0 || !sequence.weights[position]) return
      rows.push(index * length + position - 1)
      labels.push(id)
      weights.push(sequence.weights[position]!)
    })
    return { start, count: rows.length - start }
  })
  const slots = bucketSlots(rows.length, sequences.length * length)
  const integers = (values: readonly number[]) => {
    const data = new Int32Array(slots)
    data.set(values)
    return { shape: [slots], data }
  }
  const padded = new Float32Array(slots)
  padded.set(weights)
  return {
    arrays: {
      ids: { shape: [ids.length], data: ids },
      rows: integers(rows),
      labels: integers(labels),
      weights: { shape: [slots], data: padded },
    },
    layout: { counted: rows.length, slots, spans },
    length,
  }
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
