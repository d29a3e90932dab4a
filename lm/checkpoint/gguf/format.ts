/** @file What the GGUF format calls things: types of metadata values, and types of tensors with their blocks. */
import { LmFailure } from '../../failure.ts'

/** By the number that stands in a file. */
export const valueTypes = [
  'u8',
  'i8',
  'u16',
  'i16',
  'u32',
  'i32',
  'f32',
  'bool',
  'string',
  'array',
  'u64',
  'i64',
  'f64',
] as const
export type ValueType = (typeof valueTypes)[number]
export type ScalarType = Exclude<ValueType, 'array'>

export type Scalar = number | boolean | string
/** `element` is the type of an array's elements. */
export type Field =
  | { readonly type: ScalarType; readonly value: Scalar }
  | { readonly type: 'array'; readonly element: ScalarType; readonly value: readonly Scalar[] }

export interface TensorType {
  readonly name: string
  /** As it stands in a file. */
  readonly id: number
  /** Values that are stored together. */
  readonly blockLength: number
  readonly blockBytes: number
}

/** Those that are read. */
export const tensorTypes = {
  F32: { name: 'F32', id: 0, blockLength: 1, blockBytes: 4 },
  F16: { name: 'F16', id: 1, blockLength: 1, blockBytes: 2 },
  Q4_0: { name: 'Q4_0', id: 2, blockLength: 32, blockBytes: 18 },
  Q4_1: { name: 'Q4_1', id: 3, blockLength: 32, blockBytes: 20 },
  Q8_0: { name: 'Q8_0', id: 8, blockLength: 32, blockBytes: 34 },
  Q4_K: { name: 'Q4_K', id: 12, blockLength: 256, blockBytes: 144 },
  Q6_K: { name: 'Q6_K', id: 14, blockLength: 256, blockBytes: 210 },
  BF16: { name: 'BF16', id: 30, blockLength: 1, blockBytes: 2 },
} as const satisfies Readonly<Record<string, TensorType>>
export type TensorTypeName = keyof typeof tensorTypes

/** Names of the others, for messages. */
const otherTypes: Readonly<Record<number, string>> = {
  6: 'Q5_0',
  7: 'Q5_1',
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  13: 'Q5_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
}

const typesById: ReadonlyMap<number, TensorType> = new Map(
  Object.values(tensorTypes).map((type) => [type.id, type]),
)

/** @throws LmFailure `unsupported-dtype`, naming the tensor */
export function tensorType(file: string, tensor: string, id: number): TensorType {
  const type = typesById.get(id)
  if (type !== undefined) return type
  throw new LmFailure({
    code: 'unsupported-dtype',
    message: `tensor \`${tensor}\` in ${file} is ${otherTypes[id] ?? `of type ${id}`}, which is not read`,
    hint: `readable types are ${Object.keys(tensorTypes).join(', ')}`,
    file,
  })
}

export const magic = 'GGUF'
export const version = 3
/** Of the tensors' data, where `general.alignment` says nothing else. */
export const defaultAlignment = 32

export function damagedGguf(file: string, what: string): LmFailure {
  return new LmFailure({
    code: 'damaged-gguf',
    message: `${file} is not a whole GGUF file: ${what}`,
    hint: 'copy or download the file again',
    file,
  })
}
