/** @file Writes a GGUF file, tensor by tensor. It appears whole or not at all. */
import { writeWhole } from '../write-whole.ts'
import {
  defaultAlignment,
  type Field,
  magic,
  type Scalar,
  type ScalarType,
  tensorTypes,
  valueTypes,
  version,
} from './format.ts'
import { quantise, type WritableType } from './quantise.ts'

export interface PlannedTensor {
  readonly name: string
  /** Row-major, the outermost axis first. */
  readonly shape: readonly number[]
  readonly type: WritableType
  /** Called once, when it is written. */
  readonly values: () => Float32Array
}

/** Fields and tensors stand in the order in which they are given. */
export function writeGguf(
  file: string,
  fields: ReadonlyMap<string, Field>,
  tensors: readonly PlannedTensor[],
): void {
  const parts: Buffer[] = [Buffer.from(magic, 'latin1'), u32(version), u64(tensors.length), u64(fields.size)]
  for (const [key, field] of fields) parts.push(text(key), ...encodeField(field))
  let offset = 0
  const sizes = tensors.map(({ name, shape, type }) => {
    const { id, blockLength, blockBytes } = tensorTypes[type]
    const length = shape.reduce((product, size) => product * size, 1)
    parts.push(text(name), u32(shape.length), ...[...shape].reverse().map(u64), u32(id), u64(offset))
    const sizeBytes = (length / blockLength) * blockBytes
    offset += padded(sizeBytes)
    return { length, sizeBytes }
  })
  const header = Buffer.concat(parts)

  writeWhole(file, (append) => {
    const appendPadded = (bytes: Uint8Array) => {
      append(bytes)
      append(new Uint8Array(padded(bytes.length) - bytes.length))
    }
    appendPadded(header)
    for (const [index, { name, type, values }] of tensors.entries()) {
      const data = values()
      const { length } = sizes[index]!
      if (data.length !== length) throw new Error(`tensor ${name} has ${data.length} values, not ${length}`)
      appendPadded(quantise(data, type))
    }
  })
}

function padded(sizeBytes: number): number {
  return Math.ceil(sizeBytes / defaultAlignment) * defaultAlignment
}

function encodeField(field: Field): Buffer[] {
  if (field.type !== 'array') return [u32(valueTypes.indexOf(field.type)), scalar(field.type, field.value)]
  const { element, value } = field
  const head = [u32(valueTypes.indexOf('array')), u32(valueTypes.indexOf(element)), u64(value.length)]
  return [...head, Buffer.concat(value.map((item) => scalar(element, item)))]
}

function scalar(type: ScalarType, value: Scalar): Buffer {
  if (type === 'string') return text(String(value))
  const bytes = Buffer.alloc(8)
  const number = Number(value)
  switch (type) {
    case 'u8':
    case 'bool':
      return bytes.subarray(0, bytes.writeUInt8(number))
    case 'i8':
      return bytes.subarray(0, bytes.writeInt8(number))
    case 'u16':
      return bytes.subarray(0, bytes.writeUInt16LE(number))
    case 'i16':
      return bytes.subarray(0, bytes.writeInt16LE(number))
    case 'u32':
      return bytes.subarray(0, bytes.writeUInt32LE(number))
    case 'i32':
      return bytes.subarray(0, bytes.writeInt32LE(number))
    case 'f32':
      return bytes.subarray(0, bytes.writeFloatLE(number))
    case 'u64':
      return bytes.subarray(0, bytes.writeBigUInt64LE(BigInt(number)))
    case 'i64':
      return bytes.subarray(0, bytes.writeBigInt64LE(BigInt(number)))
    case 'f64':
      return bytes.subarray(0, bytes.writeDoubleLE(number))
    default:
      return type satisfies never
  }
}

function u32(value: number): Buffer {
  return scalar('u32', value)
}

function u64(value: number): Buffer {
  return scalar('u64', value)
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8')
  return Buffer.concat([u64(bytes.length), bytes])
}
