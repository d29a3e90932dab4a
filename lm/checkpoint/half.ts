/**
 * @file IEEE 754 binary16 and bfloat16 against float32. Widening is exact for every bit pattern; narrowing rounds to
 * nearest, ties to even, and overflows to infinity.
 */

const FLOAT = new Float32Array(1)
const BITS = new Uint32Array(FLOAT.buffer)

let halfTable: Float32Array | undefined

/** All 65,536 binary16 values by bit pattern. */
function binary16Table(): Float32Array {
  if (halfTable) return halfTable
  const table = new Float32Array(0x10000)
  const tableBits = new Uint32Array(table.buffer)
  for (let bits = 0; bits < 0x10000; bits++) {
    const sign = (bits & 0x8000) << 16
    const exponent = (bits >> 10) & 0x1f
    const fraction = bits & 0x3ff
    if (exponent === 0x1f) {
      // Written as bits: a NaN's payload does not survive arithmetic.
      tableBits[bits] = (sign | 0x7f800000 | (fraction << 13)) >>> 0
    } else if (exponent === 0) {
      table[bits] = (sign === 0 ? 1 : -1) * fraction * 2 ** -24
    } else {
      tableBits[bits] = (sign | ((exponent + 112) << 23) | (fraction << 13)) >>> 0
    }
  }
  halfTable = table
  return table
}

/** Widens binary16 bit patterns into `target`, starting at `offset`. */
export function widenFloat16(source: Uint16Array, target: Float32Array, offset = 0): void {
  const table = new Uint32Array(binary16Table().buffer)
  const targetBits = new Uint32Array(target.buffer, target.byteOffset, target.length)
  for (let i = 0; i < source.length; i++) targetBits[offset + i] = table[source[i]!]!
}

/** Widens bfloat16 bit patterns into `target`, starting at `offset`. */
export function widenBfloat16(source: Uint16Array, target: Float32Array, offset = 0): void {
  const targetBits = new Uint32Array(target.buffer, target.byteOffset, target.length)
  for (let i = 0; i < source.length; i++) targetBits[offset + i] = source[i]! << 16
}

export function narrowToFloat16(source: Float32Array): Uint16Array {
  const target = new Uint16Array(source.length)
  for (let i = 0; i < source.length; i++) {
    FLOAT[0] = source[i]!
    target[i] = float16Bits(BITS[0]!)
  }
  return target
}

function float16Bits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000
  const magnitude = bits & 0x7fffffff
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x1ff)
  // 65520 and above round to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00
  if (magnitude < 0x38800000) {
    // Subnormal: scaling by 2^24 is exact, so one rounding of the integer decides.
    FLOAT[0] = 0
    BITS[0] = magnitude
    return sign | roundHalfToEven(FLOAT[0] * 2 ** 24)
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1)
  return sign | ((rounded - 0x38000000) >>> 13)
}

function roundHalfToEven(value: number): number {
  const floor = Math.floor(value)
  const rest = value - floor
  if (rest > 0.5 || (rest === 0.5 && floor % 2 === 1)) return floor + 1
  return floor
}

export function narrowToBfloat16(source: Float32Array): Uint16Array {
  const target = new Uint16Array(source.length)
  for (let i = 0; i < source.length; i++) {
    FLOAT[0] = source[i]!
    const bits = BITS[0]!
    const isNan = (bits & 0x7fffffff) > 0x7f800000
    target[i] = isNan ? (bits >>> 16) | 0x40 : (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
  }
  return target
}
