/** @file Matrices rounded to whole numbers of 8 or 4 bits with scales. */
import { roundRows } from './rounded-matrix.ts'

export interface QuantisedMatrix {
  readonly bits: 8 | 4
  readonly out: number
  readonly size: number
  /** int8: [size, out]. int4: [out, blocks, int4Block / 2], two numbers a byte, the first in its low half, 8 added. */
  readonly values: Int8Array | Uint8Array
  /** int8: one a row of the matrix, [out]. int4: one a block, [out, blocks]. */
  readonly scales: Float32Array
}

/** Numbers of one row that share a scale. */
export const int4Block = 32

/** @param parts matrices [out, size], one below the other */
export function quantise(parts: readonly Float32Array[], size: number, bits: 8 | 4): QuantisedMatrix {
  return bits === 8 ? toInt8(parts, size) : toInt4(parts, size)
}

function rowCount(parts: readonly Float32Array[], size: number): number {
  return parts.reduce((sum, { length }) => sum + length / size, 0)
}

function toInt8(parts: readonly Float32Array[], size: number): QuantisedMatrix {
  const out = rowCount(parts, size)
  const values = new Int8Array(size * out)
  const scales = new Float32Array(out)
  let above = 0
  for (const part of parts) {
    const rounded = roundRows(part, size)
    scales.set(rounded.scales, above)
    const rows = rounded.scales.length
    // Transposed, a few columns at a time: a whole column's rows would not stay in the processor's cache.
    for (let start = 0; start < size; start += 64) {
      const end = Math.min(start + 64, size)
      for (let row = 0; row < rows; row++) {
        for (let at = start; at < end; at++) values[at * out + above + row] = rounded.values[row * size + at]!
      }
    }
    above += rows
  }
  return { bits: 8, out, size, values, scales }
}

/** The number of largest magnitude becomes -8: the sixteen steps reach one further down than up. */
function toInt4(parts: readonly Float32Array[], size: number): QuantisedMatrix {
  const out = rowCount(parts, size)
  const blocks = Math.ceil(size / int4Block)
  const values = new Uint8Array((out * blocks * int4Block) / 2).fill(0x88)
  const scales = new Float32Array(out * blocks)
  let block = 0
  for (const part of parts) {
    for (let row = 0; row < part.length; row += size) {
      for (let start = 0; start < size; start += int4Block, block++) {
        const end = Math.min(start + int4Block, size)
        let extreme = 0
        for (let at = start; at < end; at++) {
          if (Math.abs(part[row + at]!) > Math.abs(extreme)) extreme = part[row + at]!
        }
        const scale = extreme / -8 || 1
        scales[block] = scale
        for (let at = start; at < end; at++) {
          const count = Math.min(15, Math.max(0, Math.round(part[row + at]! / scale) + 8))
          const byte = (block * int4Block + at - start) >> 1
          const low = (at - start) % 2 === 0
          values[byte] = low ? (values[byte]! & 0xf0) | count : (values[byte]! & 0x0f) | (count << 4)
        }
      }
    }
  }
  return { bits: 4, out, size, values, scales }
}
