/** @file Float32 as the types of tensors that are written. */
import { narrowToBfloat16, narrowToFloat16 } from '../half.ts'

export type WritableType = 'F32' | 'F16' | 'BF16' | 'Q8_0'

/** The bytes of whole rows. */
export function quantise(values: Float32Array, type: WritableType): Uint8Array {
  switch (type) {
    case 'F32':
      return bytesOf(values)
    case 'F16':
      return bytesOf(narrowToFloat16(values))
    case 'BF16':
      return bytesOf(narrowToBfloat16(values))
    case 'Q8_0':
      return quantiseQ8(values)
    default:
      return type satisfies never
  }
}

function bytesOf(values: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}

/**
 * Blocks of 32: d = max |x| / 127 as f16, then x / d rounded to the nearest, halves away from zero; the unrounded d
 * divides, as in llama.cpp.
 */
function quantiseQ8(values: Float32Array): Uint8Array {
  const { fround } = Math
  const count = values.length / 32
  const scales = new Float32Array(count)
  for (let block = 0; block < count; block++) {
    let largest = 0
    for (let i = 0; i < 32; i++) largest = Math.max(largest, Math.abs(values[32 * block + i]!))
    scales[block] = largest / 127
  }
  const halves = narrowToFloat16(scales)
  const bytes = new Uint8Array(34 * count)
  for (let block = 0; block < count; block++) {
    const at = 34 * block
    bytes[at] = halves[block]! & 255
    bytes[at + 1] = halves[block]! >> 8
    const inverse = scales[block] === 0 ? 0 : fround(1 / scales[block]!)
    for (let i = 0; i < 32; i++) {
      const scaled = fround(values[32 * block + i]! * inverse)
      bytes[at + 2 + i] = Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5)
    }
  }
  return bytes
}
