/**
 * @file Blocks of a GGUF tensor as float32, rounded at each step where llama.cpp's own conversion rounds, so that
 * the result is the same to the bit. Layouts: ggml-quants.c of llama.cpp.
 */
import { widenBfloat16, widenFloat16 } from '../half.ts'
import type { TensorTypeName } from './format.ts'

/** Writes the values of all whole blocks in `bytes` to `target` from `offset` on. */
export type Dequantise = (bytes: Uint8Array, target: Float32Array, offset: number) => void

const { fround } = Math

export const dequantise: Readonly<Record<TensorTypeName, Dequantise>> = {
  F32: (bytes, target, offset) => {
    target.set(new Float32Array(aligned(bytes).buffer), offset)
  },
  F16: (bytes, target, offset) => widenFloat16(new Uint16Array(aligned(bytes).buffer), target, offset),
  BF16: (bytes, target, offset) => widenBfloat16(new Uint16Array(aligned(bytes).buffer), target, offset),

  /** 32 values: d (f16), then signed bytes. */
  Q8_0: (bytes, target, offset) =>
    blocks(bytes, 34, (at, index, half) => {
      const d = half(at)
      for (let i = 0; i < 32; i++) target[offset + 32 * index + i] = d * ((bytes[at + 2 + i]! << 24) >> 24)
    }),

  /** 32 values: d (f16), then 16 bytes, the first 16 values in their low halves; stored with 8 added. */
  Q4_0: (bytes, target, offset) =>
    blocks(bytes, 18, (at, index, half) => {
      const d = half(at)
      const to = offset + 32 * index
      for (let i = 0; i < 16; i++) {
        const pair = bytes[at + 2 + i]!
        target[to + i] = d * ((pair & 15) - 8)
        target[to + 16 + i] = d * ((pair >> 4) - 8)
      }
    }),

  /** As Q4_0, with a minimum m in place of the 8. */
  Q4_1: (bytes, target, offset) =>
    blocks(bytes, 20, (at, index, half) => {
      const d = half(at)
      const m = half(at + 2)
      const to = offset + 32 * index
      for (let i = 0; i < 16; i++) {
        const pair = bytes[at + 4 + i]!
        target[to + i] = fround(d * (pair & 15)) + m
        target[to + 16 + i] = fround(d * (pair >> 4)) + m
      }
    }),

  /** 256 values in 8 groups: d, dmin (f16), 8 scales and 8 minima of 6 bits in 12 bytes, 128 bytes of halves. */
  Q4_K: (bytes, target, offset) =>
    blocks(bytes, 144, (at, index, half) => {
      const d = half(at)
      const dmin = half(at + 2)
      for (let group = 0; group < 8; group++) {
        const [scale, minimum] = scaleAndMinimum(bytes, at + 4, group)
        const step = fround(d * scale)
        const least = fround(dmin * minimum)
        const from = at + 16 + 32 * (group >> 1)
        const to = offset + 256 * index + 32 * group
        const shift = 4 * (group & 1)
        for (let i = 0; i < 32; i++)
          target[to + i] = fround(step * ((bytes[from + i]! >> shift) & 15)) - least
      }
    }),

  /** 256 values: low 4 bits (128 bytes), high 2 bits (64), 16 signed scales, d (f16); stored with 32 added. */
  Q6_K: (bytes, target, offset) =>
    blocks(bytes, 210, (at, index, half) => {
      const d = half(at + 208)
      for (let group = 0; group < 8; group++) {
        const low = at + 64 * (group >> 2) + 32 * (group & 1)
        const lowShift = 4 * ((group & 3) >> 1)
        const high = at + 128 + 32 * (group >> 2)
        const highShift = 2 * (group & 3)
        const to = offset + 256 * index + 32 * group
        for (let i = 0; i < 32; i++) {
          const scale = (bytes[at + 192 + 2 * group + (i >> 4)]! << 24) >> 24
          const value = ((bytes[low + i]! >> lowShift) & 15) | (((bytes[high + i]! >> highShift) & 3) << 4)
          target[to + i] = fround(d * scale) * (value - 32)
        }
      }
    }),
}

/** The first four of each stand in 6 bits of a byte; the others take their upper 2 bits from what those leave free. */
function scaleAndMinimum(bytes: Uint8Array, at: number, group: number): [number, number] {
  const scale = bytes[at + (group & 3)]!
  const minimum = bytes[at + 4 + (group & 3)]!
  if (group < 4) return [scale & 63, minimum & 63]
  const rest = bytes[at + 8 + (group & 3)]!
  return [(rest & 15) | ((scale >> 2) & 48), (rest >> 4) | ((minimum >> 2) & 48)]
}

function blocks(
  bytes: Uint8Array,
  blockBytes: number,
  read: (at: number, index: number, half: (at: number) => number) => void,
): void {
  const bits = new Uint16Array(1)
  const value = new Float32Array(1)
  const half = (at: number): number => {
    bits[0] = bytes[at]! | (bytes[at + 1]! << 8)
    widenFloat16(bits, value)
    return value[0]!
  }
  for (let index = 0; (index + 1) * blockBytes <= bytes.length; index++) read(index * blockBytes, index, half)
}

/** A view that other element types can be laid on. */
function aligned(bytes: Uint8Array): { readonly buffer: ArrayBuffer } {
  return { buffer: Uint8Array.from(bytes).buffer }
}
