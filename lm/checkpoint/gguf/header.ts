/** @file The header of a GGUF file: metadata, and the place, type and shape of every tensor. Checked in full. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { LmFailure } from '../../failure.ts'
import {
  damagedGguf,
  defaultAlignment,
  type Field,
  magic,
  type Scalar,
  type ScalarType,
  type TensorType,
  tensorType,
  type ValueType,
  valueTypes,
} from './format.ts'

export interface GgufTensor {
  readonly type: TensorType
  /** Row-major, the outermost axis first: the reverse of how the file lists it. */
  readonly shape: readonly number[]
  /** Byte range within the file. */
  readonly begin: number
  readonly end: number
}

export interface GgufHeader {
  readonly file: string
  readonly fields: ReadonlyMap<string, Field>
  /** In the file's order. */
  readonly tensors: ReadonlyMap<string, GgufTensor>
}

const limits = { fields: 100_000, tensors: 1_000_000, axes: 4, stringBytes: 1 << 26, elements: 1 << 24 }

/** @throws LmFailure `unreadable-file`, `damaged-gguf`, `unsupported-gguf`, `unsupported-dtype` */
export function readGgufHeader(file: string): GgufHeader {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new LmFailure({ code: 'unreadable-file', message: `cannot open ${file} (${code})`, file })
  }
  try {
    return parse(new Cursor(file, descriptor))
  } finally {
    closeSync(descriptor)
  }
}

function parse(cursor: Cursor): GgufHeader {
  const { file } = cursor
  if (cursor.take(4).toString('latin1') !== magic) throw damagedGguf(file, `it does not begin with ${magic}`)
  const version = cursor.take(4).readUInt32LE()
  if (version !== 2 && version !== 3) {
    const isSwapped = version === 0x03000000
    throw new LmFailure({
      code: 'unsupported-gguf',
      message: `${file} is GGUF ${isSwapped ? 'with the bytes of each number in reverse order' : `version ${version}`}`,
      hint: 'little-endian GGUF of version 2 or 3 is read',
      file,
    })
  }
  const tensorCount = cursor.count('tensors', limits.tensors)
  const fieldCount = cursor.count('fields', limits.fields)
  const fields = new Map<string, Field>()
  for (let index = 0; index < fieldCount; index++) {
    const key = cursor.string()
    if (fields.has(key)) throw damagedGguf(file, `the field \`${key}\` stands there twice`)
    fields.set(key, readField(cursor, key))
  }
  const places = new Map<string, { type: TensorType; shape: number[]; offset: number }>()
  for (let index = 0; index < tensorCount; index++) {
    const name = cursor.string()
    if (places.has(name)) throw damagedGguf(file, `the tensor \`${name}\` stands there twice`)
    places.set(name, readPlace(cursor, name))
  }
  const alignment = Number(fields.get('general.alignment')?.value ?? defaultAlignment)
  if (!Number.isSafeInteger(alignment) || alignment < 1) throw damagedGguf(file, 'its alignment is no size')
  const start = Math.ceil(cursor.position / alignment) * alignment
  return { file, fields, tensors: placed(file, places, start, cursor.fileBytes) }
}

function readField(cursor: Cursor, key: string): Field {
  const type = cursor.valueType(key)
  if (type !== 'array') return { type, value: cursor.scalar(type) }
  const element = cursor.valueType(key)
  if (element === 'array') throw damagedGguf(cursor.file, `\`${key}\` is an array of arrays`)
  const length = cursor.count(`elements of ${key}`, limits.elements)
  const value: Scalar[] = []
  for (let index = 0; index < length; index++) value.push(cursor.scalar(element))
  return { type, element, value }
}

function readPlace(cursor: Cursor, name: string): { type: TensorType; shape: number[]; offset: number } {
  const axes = cursor.take(4).readUInt32LE()
  if (axes > limits.axes) throw damagedGguf(cursor.file, `tensor \`${name}\` has ${axes} axes`)
  const shape = Array.from({ length: axes }, () => cursor.size(`an axis of \`${name}\``)).reverse()
  const type = tensorType(cursor.file, name, cursor.take(4).readUInt32LE())
  return { type, shape, offset: cursor.size(`the offset of \`${name}\``) }
}

/** Byte ranges, none of which leaves the file or overlaps another. */
function placed(
  file: string,
  places: ReadonlyMap<string, { type: TensorType; shape: number[]; offset: number }>,
  start: number,
  fileBytes: number,
): Map<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>()
  for (const [name, { type, shape, offset }] of places) {
    const rowLength = shape.at(-1) ?? 1
    if (rowLength % type.blockLength !== 0) {
      throw damagedGguf(
        file,
        `rows of \`${name}\` hold ${rowLength} values, ${type.name} needs a multiple of ${type.blockLength}`,
      )
    }
    const length = shape.reduce((product, size) => product * size, 1)
    const begin = start + offset
    const end = begin + (length / type.blockLength) * type.blockBytes
    if (end > fileBytes) {
      throw damagedGguf(file, `tensor \`${name}\` ends at byte ${end}, the file has ${fileBytes}`)
    }
    tensors.set(name, { type, shape, begin, end })
  }
  let end = start
  for (const [name, tensor] of [...tensors].sort(([, a], [, b]) => a.begin - b.begin)) {
    if (tensor.begin < end) throw damagedGguf(file, `tensor \`${name}\` overlaps the tensor before it`)
    end = tensor.end
  }
  return tensors
}

const windowBytes = 1 << 20

/** Reads a file forward, a window at a time. */
class Cursor {
  readonly file: string
  readonly fileBytes: number
  readonly #descriptor: number
  #window = Buffer.alloc(0)
  /** Of the window's first byte. */
  #start = 0
  position = 0

  constructor(file: string, descriptor: number) {
    this.file = file
    this.#descriptor = descriptor
    this.fileBytes = fstatSync(descriptor).size
  }

  /** The next bytes; valid until the next call. */
  take(length: number): Buffer {
    if (this.position + length > this.fileBytes) throw damagedGguf(this.file, 'it ends within its header')
    if (this.position + length > this.#start + this.#window.length) {
      this.#window = Buffer.alloc(Math.min(Math.max(length, windowBytes), this.fileBytes - this.position))
      this.#start = this.position
      for (let done = 0; done < this.#window.length; ) {
        const count = readSync(
          this.#descriptor,
          this.#window,
          done,
          this.#window.length - done,
          this.#start + done,
        )
        if (count === 0) throw damagedGguf(this.file, 'it ends within its header')
        done += count
      }
    }
    const from = this.position - this.#start
    this.position += length
    return this.#window.subarray(from, from + length)
  }

  size(what: string): number {
    const value = this.take(8).readBigUInt64LE()
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damagedGguf(this.file, `${what} is ${value}`)
    return Number(value)
  }

  count(what: string, limit: number): number {
    const count = this.size(`its number of ${what}`)
    if (count > limit) throw damagedGguf(this.file, `its number of ${what} is ${count}`)
    return count
  }

  string(): string {
    const length = this.size('the length of a text')
    if (length > limits.stringBytes)
      throw damagedGguf(this.file, `a text of ${length} bytes stands in its header`)
    return this.take(length).toString('utf8')
  }

  valueType(key: string): ValueType {
    const id = this.take(4).readUInt32LE()
    const type = valueTypes[id]
    if (type === undefined) throw damagedGguf(this.file, `the field \`${key}\` is of the unknown type ${id}`)
    return type
  }

  scalar(type: ScalarType): Scalar {
    switch (type) {
      case 'u8':
        return this.take(1).readUInt8()
      case 'i8':
        return this.take(1).readInt8()
      case 'u16':
        return this.take(2).readUInt16LE()
      case 'i16':
        return this.take(2).readInt16LE()
      case 'u32':
        return this.take(4).readUInt32LE()
      case 'i32':
        return this.take(4).readInt32LE()
      case 'f32':
        return this.take(4).readFloatLE()
      case 'bool':
        return this.take(1).readUInt8() !== 0
      case 'string':
        return this.string()
      // Beyond 2^53 they are rounded: no field that is used here holds such numbers.
      case 'u64':
        return Number(this.take(8).readBigUInt64LE())
      case 'i64':
        return Number(this.take(8).readBigInt64LE())
      case 'f64':
        return this.take(8).readDoubleLE()
      default:
        return type satisfies never
    }
  }
}
