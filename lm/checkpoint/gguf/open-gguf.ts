/** @file A GGUF file as a checkpoint: its tensors by their Hugging Face names, as float32. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LmFailure } from '../../failure.ts'
import type { Checkpoint } from '../folder.ts'
import { huggingFaceName, isNorm, reorderRows, rotatedHeads } from './architecture.ts'
import { dequantise } from './dequantise.ts'
import { damagedGguf, magic, type TensorTypeName } from './format.ts'
import { type GgufHeader, type GgufTensor, readGgufHeader } from './header.ts'
import { architectureOf, readConfig } from './read-config.ts'

/**
 * The GGUF file that a path leads to: the file itself, or the only one in a folder that has no `config.json`.
 * @throws LmFailure `several-gguf-files`
 */
export function ggufFile(path: string): string | undefined {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats?.isFile() === true) return beginsWithMagic(path) ? path : undefined
  if (stats === undefined || existsSync(join(path, 'config.json'))) return undefined
  const [first, ...others] = readdirSync(path).filter((name) => name.endsWith('.gguf'))
  if (others.length > 0) {
    throw new LmFailure({
      code: 'several-gguf-files',
      message: `${path} holds ${others.length + 1} GGUF files`,
      hint: `name one of them: ${join(path, first!)}`,
      file: path,
    })
  }
  return first === undefined ? undefined : join(path, first)
}

function beginsWithMagic(file: string): boolean {
  const descriptor = openSync(file, 'r')
  try {
    const bytes = Buffer.alloc(magic.length)
    readSync(descriptor, bytes, 0, magic.length, 0)
    return bytes.toString('latin1') === magic
  } finally {
    closeSync(descriptor)
  }
}

/** @throws LmFailure `damaged-gguf`, `unsupported-gguf`, `unsupported-dtype` */
export function openGguf(file: string): Checkpoint {
  const header = readGgufHeader(file)
  const architecture = architectureOf(header)
  const ropeFactors = header.tensors.get('rope_freqs.weight')
  const config = readConfig(
    header,
    architecture,
    ropeFactors && readTensor(header, 'rope_freqs.weight', ropeFactors),
  )
  const heads = { query: Number(config.num_attention_heads), keyValue: Number(config.num_key_value_heads) }
  const stored = new Map<string, string>()
  for (const name of header.tensors.keys()) {
    const known = huggingFaceName(architecture, name)
    if (known !== undefined) stored.set(known, name)
    else if (name !== 'rope_freqs.weight') {
      throw new LmFailure({
        code: 'unsupported-gguf',
        message: `the tensor \`${name}\` in ${file} is none of a ${architecture.name} decoder`,
        file,
      })
    }
  }
  const owner = (name: string): { readonly stored: string; readonly tensor: GgufTensor } => {
    const own = stored.get(name)
    const tensor = own === undefined ? undefined : header.tensors.get(own)
    if (own !== undefined && tensor !== undefined) return { stored: own, tensor }
    throw new LmFailure({ code: 'missing-tensor', message: `${file} has no tensor \`${name}\``, file })
  }
  return {
    folder: file,
    configFile: file,
    config,
    names: [...stored.keys()],
    has: (name) => stored.has(name),
    info: (name) => {
      const { type, shape } = owner(name).tensor
      return { dtype: type.name, shape }
    },
    tensor: (name) => {
      const { stored: own, tensor } = owner(name)
      const shape = [...tensor.shape]
      const data = readTensor(header, own, tensor)
      const rotated = rotatedHeads(architecture, name, heads)
      if (rotated !== undefined) return { shape, data: reorderRows(data, shape[0]!, rotated, 'halves') }
      if (architecture.normOffset !== 0 && isNorm(name)) {
        return { shape, data: data.map((value) => value - architecture.normOffset) }
      }
      return { shape, data }
    },
  }
}

/** Blocks converted at a time, so that a tensor is not held twice. */
const chunkBlocks = 1 << 16

function readTensor(
  { file }: GgufHeader,
  name: string,
  { type, shape, begin, end }: GgufTensor,
): Float32Array {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1))
  const convert = dequantise[type.name as TensorTypeName]
  const chunk = Buffer.alloc(Math.min(end - begin, chunkBlocks * type.blockBytes))
  const descriptor = openSync(file, 'r')
  try {
    for (let at = begin, offset = 0; at < end; at += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, end - at))
      for (let done = 0; done < part.length; ) {
        const count = readSync(descriptor, part, done, part.length - done, at + done)
        if (count === 0) throw damagedGguf(file, `it ends within the tensor \`${name}\``)
        done += count
      }
      convert(part, values, offset)
      offset += (part.length / type.blockBytes) * type.blockLength
    }
  } finally {
    closeSync(descriptor)
  }
  return values
}
