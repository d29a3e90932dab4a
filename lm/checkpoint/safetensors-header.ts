/** @file The header of a safetensors file: its length, its JSON, and the place and type of every tensor. */
import { LmFailure } from '../failure.ts'
import { repeatedKey } from '../repeated-key.ts'

/** Bytes of one element, by the header's name of the type. */
export const ELEMENT_BYTES: ReadonlyMap<string, number> = new Map([
  ['BOOL', 1],
  ['U8', 1],
  ['I8', 1],
  ['F8_E4M3', 1],
  ['F8_E5M2', 1],
  ['I16', 2],
  ['U16', 2],
  ['F16', 2],
  ['BF16', 2],
  ['I32', 4],
  ['U32', 4],
  ['F32', 4],
  ['I64', 8],
  ['U64', 8],
  ['F64', 8],
])

/** The reference implementation's own limit. */
const MAX_HEADER_BYTES = 100_000_000

export interface TensorInfo {
  readonly dtype: string
  readonly shape: readonly number[]
}

export interface TensorEntry extends TensorInfo {
  /** Byte range within the file. */
  readonly begin: number
  readonly end: number
}

export interface SafetensorsHeader {
  /** In the order of their bytes. */
  readonly entries: ReadonlyMap<string, TensorEntry>
  readonly metadata: Readonly<Record<string, string>>
}

/**
 * Bytes of the JSON header, from the file's first 8 bytes. Throws where the file cannot hold as many.
 */
export function headerLength(file: string, prefix: Uint8Array, fileBytes: number): number {
  const length = Number(new DataView(prefix.buffer, prefix.byteOffset, 8).getBigUint64(0, true))
  if (length > MAX_HEADER_BYTES) throw damaged(file, `its header length of ${length} bytes is absurd`)
  if (length > fileBytes - 8) {
    throw damaged(file, `its header needs ${length} bytes and only ${fileBytes - 8} follow`)
  }
  return length
}

/** Checks every entry: known types, sizes that fit shapes, and data without overlap, hole or rest. */
export function parseSafetensorsHeader(file: string, json: Uint8Array, fileBytes: number): SafetensorsHeader {
  const header = parseHeader(file, json)
  const metadata = parseMetadata(file, header)
  const dataStart = 8 + json.length
  const entries = Object.entries(header)
    .filter(([name]) => name !== '__metadata__')
    .map(([name, value]) => [name, parseEntry(file, name, value, dataStart)] as const)
    .sort(([, a], [, b]) => a.begin - b.begin || a.end - b.end)

  let position = dataStart
  for (const [name, entry] of entries) {
    if (entry.begin !== position) {
      const fault = entry.begin < position ? 'overlaps the tensor before it' : 'leaves a hole before it'
      throw damaged(file, `tensor \`${name}\` ${fault}`)
    }
    position = entry.end
  }
  if (position !== fileBytes) {
    const fault = position < fileBytes ? 'bytes follow the last tensor' : 'the last tensors are cut off'
    throw damaged(file, `its header describes ${position} bytes and the file has ${fileBytes}: ${fault}`)
  }
  return { entries: new Map(entries), metadata }
}

function parseHeader(file: string, bytes: Uint8Array): Record<string, unknown> {
  let text: string
  let header: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    header = JSON.parse(text)
  } catch {
    throw damaged(file, 'its header is not JSON')
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header)) {
    throw damaged(file, 'its header is not a JSON object')
  }
  const repeated = repeatedKey(text)
  if (repeated !== undefined) throw damaged(file, `its header lists \`${repeated}\` twice`)
  return header as Record<string, unknown>
}

function parseMetadata(file: string, header: Record<string, unknown>): Record<string, string> {
  const metadata = header.__metadata__ ?? {}
  if (typeof metadata !== 'object' || Object.values(metadata).some((value) => typeof value !== 'string')) {
    throw damaged(file, '`__metadata__` is not an object of strings')
  }
  return metadata as Record<string, string>
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function parseEntry(file: string, name: string, value: unknown, dataStart: number): TensorEntry {
  const { dtype, shape, data_offsets: offsets } = (value ?? {}) as Record<string, unknown>
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !Array.isArray(offsets)) {
    throw damaged(file, `tensor \`${name}\` lacks dtype, shape or data_offsets`)
  }
  const elementBytes = ELEMENT_BYTES.get(dtype)
  if (elementBytes === undefined) throw damaged(file, `tensor \`${name}\` has the unknown dtype \`${dtype}\``)
  if (!shape.every(isCount)) throw damaged(file, `tensor \`${name}\` has the shape ${JSON.stringify(shape)}`)
  const [begin, end] = offsets
  if (offsets.length !== 2 || !isCount(begin) || !isCount(end) || begin > end) {
    throw damaged(file, `tensor \`${name}\` has the offsets ${JSON.stringify(offsets)}`)
  }
  const size = shape.reduce((product, length) => product * length, elementBytes)
  if (size !== end - begin) {
    throw damaged(
      file,
      `tensor \`${name}\` of ${dtype} ${JSON.stringify(shape)} needs ${size} bytes and has ${end - begin}`,
    )
  }
  return { dtype, shape, begin: dataStart + begin, end: dataStart + end }
}

export function damaged(file: string, what: string): LmFailure {
  return new LmFailure({
    code: 'damaged-safetensors',
    message: `${file} is not a whole safetensors file: ${what}`,
    hint: 'copy or download the file again',
    file,
  })
}
