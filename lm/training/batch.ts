/**
 * @file A micro-batch of token sequences as the arrays that a compiled step takes. Shapes come from a few buckets,
 * since each new shape compiles a new graph. Vocabulary scores are computed only at positions whose next token
 * counts.
 */

import { attentionInputName, causalMask } from '../model/attention.ts'
import { attentionKinds, type DecoderConfig } from '../model/config.ts'
import { rotaryTable } from '../model/rotary.ts'
import { type Tensor, type TensorMap, tf } from '../tensor/tf.ts'

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

/** A tensor's content on the host. */
export interface HostTensor {
  readonly shape: number[]
  readonly data: Float32Array | Int32Array
}
export type HostBatch = Record<string, HostTensor>

/** Where each sequence's counted tokens lie among the batch's labels. */
export interface BatchLayout {
  /** Tokens that count. */
  readonly counted: number
  /** Rows of the label arrays, padding included. */
  readonly slots: number
  /** For each sequence: its first slot and how many it has; slots follow the sequence's own order. */
  readonly spans: readonly { readonly start: number; readonly count: number }[]
}

/** The length that a sequence is padded to: few different ones, little padding. */
export function bucketLength(length: number): number {
  const unit = length <= 64 ? 8 : length <= 128 ? 16 : length <= 512 ? 32 : 128
  return Math.ceil(length / unit) * unit
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

/**
 * What a causal forward pass over right-padded rows of `length` needs besides the ids: `attentionInputs` finds it.
 * @param rows the documents in each row, by length: positions start over and attention is blocked at their edges.
 * @default one document in every row
 */
export function causalArrays(
  config: DecoderConfig,
  length: number,
  rows: readonly (readonly number[])[] = [[length]],
): HostBatch {
  const starts = rows.map((documents) => documentStarts(documents, length))
  const positions = starts.flatMap((ofRow) => ofRow.map((start, position) => position - start))
  const half = config.headSize / 2
  const arrays: HostBatch = {}
  for (const kind of attentionKinds(config)) {
    const { cos, sin } = rotaryTable(config, kind, positions)
    const window = kind === 'sliding' ? config.window : undefined
    const mask = new Float32Array(rows.length * length * length)
    starts.forEach((ofRow, row) => {
      mask.set(causalMask(length, window, ofRow), row * length * length)
    })
    arrays[attentionInputName('cos', kind)] = { shape: [rows.length, length, 1, half], data: cos }
    arrays[attentionInputName('sin', kind)] = { shape: [rows.length, length, 1, half], data: sin }
    arrays[attentionInputName('mask', kind)] = { shape: [rows.length, length, length], data: mask }
  }
  return arrays
}

/** Where the document of each position begins; padding is a document of its own. */
function documentStarts(documents: readonly number[], length: number): number[] {
  const starts: number[] = []
  for (const size of [...documents, length]) {
    const start = starts.length
    while (starts.length < Math.min(start + size, length)) starts.push(start)
  }
  return starts
}

/** Uploads host arrays; the caller disposes them. */
export function upload(batch: HostBatch): TensorMap {
  const tensors: Record<string, Tensor> = {}
  for (const [name, { data, shape }] of Object.entries(batch)) {
    tensors[name] = tf.tensor(data, shape, data instanceof Float32Array ? 'float32' : 'int32')
  }
  return tensors
}
