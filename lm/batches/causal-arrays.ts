/** @file Positions and masks of a batch's rows, as the arrays that attention reads. */
import { attentionInputName, masked } from '../model/attention.ts'
import { attentionKinds, type DecoderConfig } from '../model/config.ts'
import { rotaryTable } from '../model/rotary.ts'
import type { HostBatch } from '../tensor/host-tensor.ts'
import type { PassShape } from './cost.ts'
import { ofPlaces } from './open-sizes.ts'

/**
 * Where sequences stand in the rows: each token has the position that it has in its sequence, and sees itself and what
 * lies before it there, as far as a window reaches. Padding sees itself alone.
 * @param sequences the places of each one's tokens: row * length + column. Where several share a place, they are equal
 * up to there.
 */
export function attentionArrays(
  config: DecoderConfig,
  shape: Pick<PassShape, 'rows' | 'length' | 'querySpans'>,
  sequences: readonly Int32Array[],
): HostBatch {
  const { rows, length, querySpans } = shape
  const positions = new Int32Array(rows * length)
  for (const places of sequences)
    for (const [position, place] of places.entries()) positions[place] = position
  const half = config.headSize / 2
  const arrays: HostBatch = {}
  for (const kind of attentionKinds(config)) {
    const { cos, sin } = rotaryTable(config, kind, positions)
    const window = kind === 'sliding' ? config.window : undefined
    arrays[attentionInputName('cos', kind)] = ofPlaces(shape, cos, [half])
    arrays[attentionInputName('sin', kind)] = ofPlaces(shape, sin, [half])
    arrays[attentionInputName('mask', kind)] = {
      shape: [rows, querySpans, length / querySpans, querySpans, length / querySpans],
      openSizes: [null, null, 'span', null, 'span'],
      data: visibility(rows, length, sequences, window),
    }
  }
  return arrays
}

/** @param window how many tokens one sees at most, itself included; counted along its sequence */
function visibility(
  rows: number,
  length: number,
  sequences: readonly Int32Array[],
  window = Number.POSITIVE_INFINITY,
): Float32Array {
  const mask = new Float32Array(rows * length * length).fill(masked)
  for (let place = 0; place < rows * length; place++) mask[place * length + (place % length)] = 0
  for (const places of sequences) {
    for (const [position, place] of places.entries()) {
      for (let before = Math.max(0, position + 1 - window); before < position; before++)
        mask[place * length + (places[before]! % length)] = 0
    }
  }
  return mask
}
