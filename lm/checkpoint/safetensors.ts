/**
 * @file The safetensors format: an 8-byte little-endian header length, a JSON header, then the tensors' bytes, row
 * major and without holes. The header is checked in full when a file is opened; tensors are read when asked for.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { LmFailure } from '../failure.ts'
import { narrowToBfloat16, narrowToFloat16, widenBfloat16, widenFloat16 } from './half.ts'
import {
  damaged,
  ELEMENT_BYTES,
  headerLength,
  parseSafetensorsHeader,
  type SafetensorsHeader,
  type TensorEntry,
  type TensorInfo,
} from './safetensors-header.ts'
import { writeWhole } from './write-whole.ts'

export type { TensorInfo } from './safetensors-header.ts'

const READABLE = ['F32', 'F16', 'BF16', 'F64']

/** Bytes converted at a time, so that reading a half-precision tensor does not hold it twice. */
const CHUNK_BYTES = 1 << 22

/** Row-major float32 values. */
export interface TensorData {
  readonly shape: number[]
  readonly data: Float32Array
}

export interface SafetensorsFile {
  readonly file: string
  readonly metadata: Readonly<Record<string, string>>
  /** In the order of their bytes. */
  readonly names: readonly string[]
  has(name: string): boolean
  /** Throws `LmFailure` `missing-tensor` where there is no such tensor. */
  info(name: string): TensorInfo
  /**
   * Reads one tensor as float32. F32 bytes go straight into the result; F16 and BF16 widen exactly; F64 is rounded.
   * Integers, booleans and 8-bit floats are refused (`unsupported-dtype`).
   */
  read(name: string): TensorData
}

/** Opens a file and checks its whole header. Throws `LmFailure` `damaged-safetensors` that names what is wrong. */
export function openSafetensors(file: string): SafetensorsFile {
  const { entries, metadata } = withFile(file, (descriptor) => readHeader(file, descriptor))
  const entryOf = (name: string): TensorEntry => {
    const entry = entries.get(name)
    if (!entry) {
      throw new LmFailure({
        code: 'missing-tensor',
        message: `there is no tensor \`${name}\` in ${file}`,
        file,
      })
    }
    return entry
  }
  return {
    file,
    metadata,
    names: [...entries.keys()],
    has: (name) => entries.has(name),
    info: (name) => {
      const { dtype, shape } = entryOf(name)
      return { dtype, shape }
    },
    read: (name) => {
      const entry = entryOf(name)
      return { shape: [...entry.shape], data: withFile(file, (fd) => readTensor(file, fd, name, entry)) }
    },
  }
}

function withFile<T>(file: string, use: (descriptor: number) => T): T {
  let descriptor: number
  try {
    descriptor = openSync(file, 'r')
  } catch (error) {
    throw new LmFailure({
      code: 'unreadable-file',
      message: `cannot open ${file} (${(error as NodeJS.ErrnoException).code ?? String(error)})`,
      file,
    })
  }
  try {
    return use(descriptor)
  } finally {
    closeSync(descriptor)
  }
}

function readExactly(file: string, descriptor: number, target: Uint8Array, position: number): void {
  let done = 0
  while (done < target.length) {
    const length = Math.min(target.length - done, 1 << 30)
    const count = readSync(descriptor, target, done, length, position + done)
    if (count === 0) throw damaged(file, `it ends at byte ${position + done}`)
    done += count
  }
}

function readHeader(file: string, descriptor: number): SafetensorsHeader {
  const fileBytes = fstatSync(descriptor).size
  if (fileBytes < 8) throw damaged(file, `it has ${fileBytes} bytes, fewer than its header length needs`)
  const prefix = new Uint8Array(8)
  readExactly(file, descriptor, prefix, 0)
  const json = new Uint8Array(headerLength(file, prefix, fileBytes))
  readExactly(file, descriptor, json, 8)
  return parseSafetensorsHeader(file, json, fileBytes)
}

function readTensor(file: string, descriptor: number, name: string, entry: TensorEntry): Float32Array {
  const sizeBytes = entry.end - entry.begin
  switch (entry.dtype) {
    case 'F32': {
      const data = new Float32Array(sizeBytes / 4)
      readExactly(file, descriptor, new Uint8Array(data.buffer), entry.begin)
      return data
    }
    case 'F16':
      return readWidened(file, descriptor, entry, widenFloat16)
    case 'BF16':
      return readWidened(file, descriptor, entry, widenBfloat16)
    case 'F64': {
      const data = new Float64Array(sizeBytes / 8)
      readExactly(file, descriptor, new Uint8Array(data.buffer), entry.begin)
      return Float32Array.from(data)
    }
    default:
      throw new LmFailure({
        code: 'unsupported-dtype',
        message: `tensor \`${name}\` in ${file} is ${entry.dtype}, which is not read as a weight`,
        hint: `readable types are ${READABLE.join(', ')}`,
        file,
      })
  }
}

function readWidened(
  file: string,
  descriptor: number,
  entry: TensorEntry,
  widen: (source: Uint16Array, target: Float32Array, offset: number) => void,
): Float32Array {
  const sizeBytes = entry.end - entry.begin
  const data = new Float32Array(sizeBytes / 2)
  const chunk = new Uint16Array(Math.min(sizeBytes, CHUNK_BYTES) / 2)
  for (let done = 0; done < data.length; done += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, data.length - done))
    readExactly(file, descriptor, new Uint8Array(part.buffer, 0, part.byteLength), entry.begin + 2 * done)
    widen(part, data, done)
  }
  return data
}

export type WritableDtype = 'F32' | 'F16' | 'BF16'

export interface WriteSafetensorsOptions {
  /** @default { format: 'pt' }, which transformers asks for */
  readonly metadata?: Readonly<Record<string, string>>
  /** Narrowing rounds to nearest even. @default 'F32' */
  readonly dtype?: WritableDtype
}

export interface WritableTensor {
  readonly shape: readonly number[]
  /** Row-major; a function is called once, when the tensor's turn comes, so that not all need be in memory. */
  readonly data: Float32Array | (() => Float32Array)
}

/**
 * Writes a file whose bytes depend on nothing but the tensors' names and values and the options. Tensors stand in
 * code-unit order of their names. The file appears whole or not at all.
 */
export function writeSafetensors(
  file: string,
  tensors: Readonly<Record<string, WritableTensor>>,
  options: WriteSafetensorsOptions = {},
): void {
  const dtype = options.dtype ?? 'F32'
  const names = Object.keys(tensors).sort()
  const header: Record<string, unknown> = { __metadata__: sortedByKey(options.metadata ?? { format: 'pt' }) }
  let end = 0
  for (const name of names) {
    const { shape, data } = tensors[name]!
    if (typeof data !== 'function') checkLength(name, shape, data)
    const begin = end
    end += lengthOf(shape) * ELEMENT_BYTES.get(dtype)!
    header[name] = { dtype, shape, data_offsets: [begin, end] }
  }
  const headerText = Buffer.from(JSON.stringify(header), 'utf8')
  // Spaces after the header align the data, as the format recommends.
  const headerBytes = Math.ceil(headerText.length / 8) * 8
  const start = Buffer.alloc(8 + headerBytes, ' ')
  start.writeBigUInt64LE(BigInt(headerBytes), 0)
  headerText.copy(start, 8)

  writeWhole(file, (append) => {
    append(start)
    for (const name of names) {
      const { shape, data } = tensors[name]!
      const values = typeof data === 'function' ? data() : data
      checkLength(name, shape, values)
      append(encode(values, dtype))
    }
  })
}

function lengthOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1)
}

function checkLength(name: string, shape: readonly number[], { length }: Float32Array): void {
  if (length !== lengthOf(shape))
    throw new Error(`tensor ${name} of shape [${shape.join(', ')}] has ${length} values`)
}

function sortedByKey(record: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function encode(data: Float32Array, dtype: WritableDtype): Uint8Array {
  const values = dtype === 'F32' ? data : dtype === 'F16' ? narrowToFloat16(data) : narrowToBfloat16(data)
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength)
}
