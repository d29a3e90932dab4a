/** @file Positions and masks of a batch's rows, as the arrays that attention reads. */
import { attentionInputName, causalMask } from '../model/attention.ts'
import { attentionKinds, type DecoderConfig } from '../model/config.ts'
import { rotaryTable } from '../model/rotary.ts'
import type { HostBatch } from '../tensor/host-tensor.ts'

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
