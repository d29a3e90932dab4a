import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { narrowToBfloat16, narrowToFloat16, widenBfloat16, widenFloat16 } from '../../lm/checkpoint/half.ts'
import { openSafetensors, writeSafetensors } from '../../lm/checkpoint/safetensors.ts'
import { failureOf } from './failure-of.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flow-safetensors-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

/** A file with the given header and data, as other writers may make it. */
function rawFile(header: unknown, data: Uint8Array = new Uint8Array()): string {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(text.length))
  const file = join(folder, 'raw.safetensors')
  writeFileSync(file, Buffer.concat([length, text, data]))
  return file
}

const bytesOf = (values: Float32Array | Uint16Array | Float64Array) =>
  new Uint8Array(values.buffer, values.byteOffset, values.byteLength)

describe('round trips', () => {
  const tensors = {
    weight: { shape: [2, 3], data: Float32Array.of(1, -2.5, 1e-40, Infinity, -Infinity, -0) },
    bias: { shape: [3], data: Float32Array.of(0.1, 0.2, 0.3) },
    scalar: { shape: [], data: Float32Array.of(7) },
    empty: { shape: [0, 4], data: new Float32Array(0) },
  }

  test('float32 keeps every bit, shapes and metadata', () => {
    const file = join(folder, 'a.safetensors')
    writeSafetensors(file, tensors, { metadata: { format: 'pt', note: 'é' } })
    const opened = openSafetensors(file)
    expect([...opened.names].sort()).toEqual(['bias', 'empty', 'scalar', 'weight'])
    expect(opened.metadata).toEqual({ format: 'pt', note: 'é' })
    expect(opened.info('weight')).toEqual({ dtype: 'F32', shape: [2, 3] })
    for (const [name, { shape, data }] of Object.entries(tensors)) {
      const read = opened.read(name)
      expect(read.shape).toEqual(shape)
      expect(Buffer.from(bytesOf(read.data))).toEqual(Buffer.from(bytesOf(data)))
    }
  })

  test('bytes depend on names and values only, and no partial file stays', () => {
    const a = join(folder, 'a.safetensors')
    const b = join(folder, 'b.safetensors')
    writeSafetensors(a, tensors, { metadata: { x: '1', format: 'pt' } })
    const reversed = Object.fromEntries(Object.entries(tensors).reverse())
    writeSafetensors(b, reversed, { metadata: { format: 'pt', x: '1' } })
    expect(readFileSync(a).equals(readFileSync(b))).toBe(true)
    expect(readdirSync(folder).sort()).toEqual(['a.safetensors', 'b.safetensors'])
  })

  test('the data begin at a multiple of 8', () => {
    const file = join(folder, 'a.safetensors')
    writeSafetensors(file, tensors)
    expect(Number(readFileSync(file).readBigUInt64LE()) % 8).toBe(0)
  })

  test('a slice of a larger buffer is written as the slice', () => {
    const file = join(folder, 'a.safetensors')
    const whole = Float32Array.of(1, 2, 3, 4)
    writeSafetensors(file, { part: { shape: [2], data: whole.subarray(1, 3) } })
    expect([...openSafetensors(file).read('part').data]).toEqual([2, 3])
  })

  test.each(['F16', 'BF16'] as const)('%s keeps what it can hold', (dtype) => {
    const file = join(folder, 'a.safetensors')
    const values = Float32Array.of(0, -0, 1, -1.5, 2 ** -14, 2 ** 15, Infinity, -Infinity)
    writeSafetensors(file, { t: { shape: [8], data: values } }, { dtype })
    const read = openSafetensors(file)
    expect(read.info('t').dtype).toBe(dtype)
    expect([...read.read('t').data]).toEqual([...values])
  })

  test('a half-precision tensor longer than one chunk', () => {
    const file = join(folder, 'a.safetensors')
    const data = Float32Array.from({ length: (1 << 21) + 5 }, (_, i) => i % 251)
    writeSafetensors(file, { t: { shape: [data.length], data } }, { dtype: 'BF16' })
    const read = openSafetensors(file).read('t').data
    expect(read.length).toBe(data.length)
    expect(read.every((value, i) => value === i % 251)).toBe(true)
  })
})

describe('half precision', () => {
  const allBits = Uint16Array.from({ length: 0x10000 }, (_, bits) => bits)
  const binary16 = new Float32Array(0x10000)
  widenFloat16(allBits, binary16)
  const bfloat16 = new Float32Array(0x10000)
  widenBfloat16(allBits, bfloat16)

  test('binary16 widens to the value that its fields say', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const sign = bits & 0x8000 ? -1 : 1
      const exponent = (bits >> 10) & 31
      const fraction = bits & 1023
      if (exponent === 31) {
        if (fraction === 0) expect(binary16[bits]).toBe(sign * Infinity)
        else expect(binary16[bits]).toBeNaN()
      } else {
        const value = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25)
        if (!Object.is(binary16[bits], sign * value)) throw new Error(`bits ${bits} gave ${binary16[bits]}`)
      }
    }
  })

  test.each([
    ['binary16', binary16, narrowToFloat16, 0x7c00],
    ['bfloat16', bfloat16, narrowToBfloat16, 0x7f80],
  ] as const)(
    '%s narrows back to its own bits, and rounds to nearest even between',
    (_name, values, narrow, infinity) => {
      const back = narrow(values)
      for (let bits = 0; bits < 0x10000; bits++) {
        if (Number.isNaN(values[bits])) {
          if (!((back[bits]! & 0x7fff) > infinity)) throw new Error(`NaN ${bits} became ${back[bits]}`)
        } else if (back[bits] !== bits) throw new Error(`bits ${bits} became ${back[bits]}`)
      }
      const neighbours = Array.from({ length: infinity - 1 }, (_, bits) => bits)
      const middles = Float32Array.from(neighbours, (bits) => (values[bits]! + values[bits + 1]!) / 2)
      // A little towards either side of the middle, in float32's own steps.
      const below = Float32Array.from(middles, (value) => step(value, -1))
      const above = Float32Array.from(middles, (value) => step(value, 1))
      const toMiddle = narrow(middles)
      const toBelow = narrow(below)
      const toAbove = narrow(above)
      for (const bits of neighbours) {
        const even = bits % 2 === 0 ? bits : bits + 1
        if (toMiddle[bits] !== even || toBelow[bits] !== bits || toAbove[bits] !== bits + 1) {
          throw new Error(`around ${middles[bits]}: ${toBelow[bits]} ${toMiddle[bits]} ${toAbove[bits]}`)
        }
      }
    },
  )

  test('too large for binary16 becomes infinity, too small zero', () => {
    const narrowed = narrowToFloat16(Float32Array.of(65519, 65520, -1e30, 2 ** -25, 2 ** -25 * 1.001, -1e-30))
    expect([...narrowed]).toEqual([0x7bff, 0x7c00, 0xfc00, 0, 1, 0x8000])
  })

  test('float64 is rounded to float32', () => {
    const file = rawFile(
      { t: { dtype: 'F64', shape: [2], data_offsets: [0, 16] } },
      bytesOf(Float64Array.of(0.1, 1e300)),
    )
    expect([...openSafetensors(file).read('t').data]).toEqual([Math.fround(0.1), Infinity])
  })
})

function step(value: number, direction: 1 | -1): number {
  const float = Float32Array.of(value)
  const bits = new Uint32Array(float.buffer)
  bits[0]! += direction
  return float[0]!
}

describe('damaged files', () => {
  const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4]) => ({
    dtype: 'F32',
    shape,
    data_offsets: [begin, end],
  })
  const bytes = (count: number) => new Uint8Array(count)

  test.each<[string, unknown, Uint8Array, RegExp]>([
    ['a header that is no JSON', '{"a":', bytes(0), /header is not JSON/],
    ['a header that is a list', [], bytes(0), /not a JSON object/],
    ['metadata that are no strings', { __metadata__: { a: 1 } }, bytes(0), /__metadata__/],
    ['an entry without fields', { a: {} }, bytes(0), /`a` lacks/],
    ['an entry that is null', { a: null }, bytes(0), /`a` lacks/],
    ['an unknown dtype', { a: { ...f32(0, 4), dtype: 'F33' } }, bytes(4), /unknown dtype `F33`/],
    ['a dtype named like a method', { a: { ...f32(0, 4), dtype: 'toString' } }, bytes(4), /unknown dtype/],
    ['a negative size', { a: f32(0, 4, [-1]) }, bytes(4), /shape \[-1\]/],
    ['a fractional size', { a: f32(0, 4, [1.5]) }, bytes(4), /shape \[1.5\]/],
    [
      'offsets that run backwards',
      { a: { ...f32(0, 4), data_offsets: [4, 0] } },
      bytes(4),
      /offsets \[4,0\]/,
    ],
    ['a size that differs from the shape', { a: f32(0, 8, [3]) }, bytes(8), /needs 12 bytes and has 8/],
    ['an overlap', { a: f32(0, 8), b: f32(4, 12) }, bytes(12), /`b` overlaps/],
    ['a hole', { a: f32(0, 4), b: f32(8, 12) }, bytes(12), /`b` leaves a hole/],
    ['data cut off', { a: f32(0, 8) }, bytes(7), /cut off/],
    ['bytes after the end', { a: f32(0, 8) }, bytes(9), /bytes follow/],
  ])('%s', (_what, header, data, message) => {
    const file = rawFile(header, data)
    const failure = failureOf(() => openSafetensors(file))
    expect(failure.code).toBe('damaged-safetensors')
    expect(failure.message).toMatch(message)
    expect(failure.file).toBe(file)
  })

  test('an empty file, a short one, an absurd header length', () => {
    const file = join(folder, 'short')
    for (const [content, message] of [
      [Buffer.alloc(0), /0 bytes/],
      [Buffer.alloc(7), /7 bytes/],
      [Buffer.from('ffffffffffffffff00', 'hex'), /absurd/],
      [Buffer.from('0001000000000000007b', 'hex'), /header needs 256 bytes/],
    ] as const) {
      writeFileSync(file, content)
      expect(failureOf(() => openSafetensors(file)).message).toMatch(message)
    }
  })

  test('a file cut anywhere is noticed', () => {
    const file = join(folder, 'whole')
    writeSafetensors(file, { a: { shape: [5], data: Float32Array.of(1, 2, 3, 4, 5) } })
    const whole = readFileSync(file)
    for (let length = 0; length < whole.length; length++) {
      writeFileSync(file, whole.subarray(0, length))
      expect(failureOf(() => openSafetensors(file)).code).toBe('damaged-safetensors')
    }
  })

  test('what is absent or no weight is named', () => {
    expect(failureOf(() => openSafetensors(join(folder, 'nowhere'))).code).toBe('unreadable-file')
    const file = rawFile({ ids: { dtype: 'I64', shape: [1], data_offsets: [0, 8] } }, bytes(8))
    const opened = openSafetensors(file)
    expect(failureOf(() => opened.read('ids'))).toMatchObject({ code: 'unsupported-dtype' })
    expect(failureOf(() => opened.read('other'))).toMatchObject({ code: 'missing-tensor' })
  })
})
