/** @file Writes a checkpoint anew as a Hugging Face folder, its weights passing through memory one tensor at a time. */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LmFailure } from '../failure.ts'
import { readTokenizerFiles } from '../text/tokenizer-files.ts'
import type { Checkpoint } from './folder.ts'
import { ggufFile } from './gguf/open-gguf.ts'
import { type TensorData, type WritableDtype, type WritableTensor, writeSafetensors } from './safetensors.ts'
import { ELEMENT_BYTES } from './safetensors-header.ts'
import { tokenizerFiles, writeJson } from './write-model.ts'

export interface WriteCheckpointOptions {
  readonly dtype: WritableDtype
  /** Weights beyond this many bytes go into further files. */
  readonly shardBytes: number
  /** A tensor as it is to be written, by the checkpoint's name. */
  readonly tensor: (name: string) => TensorData
  readonly onTensor?: (done: number, total: number) => void
}

const dtypeNames: Readonly<Record<WritableDtype, string>> = {
  F32: 'float32',
  F16: 'float16',
  BF16: 'bfloat16',
}

/** The largest value that rounds to a finite float16. */
const float16Limit = 65_520

/** @throws LmFailure `dtype-overflow` where a weight is too large for float16 */
export function writeCheckpoint(
  folder: string,
  checkpoint: Checkpoint,
  { dtype, shardBytes, tensor, onTensor }: WriteCheckpointOptions,
): void {
  mkdirSync(folder, { recursive: true })
  const sorted = [...checkpoint.names].sort()
  let done = 0
  const lazy = (name: string): WritableTensor => ({
    shape: checkpoint.info(name).shape,
    data: () => {
      const { data } = tensor(name)
      if (dtype === 'F16') requireFloat16(data, name, checkpoint.folder)
      onTensor?.(++done, sorted.length)
      return data
    },
  })
  const sizeOf = (name: string) =>
    checkpoint.info(name).shape.reduce((product, size) => product * size, ELEMENT_BYTES.get(dtype)!)
  const shards = inShards(sorted, sizeOf, shardBytes)
  const weightMap: Record<string, string> = {}
  for (const [index, names] of shards.entries()) {
    const file =
      shards.length === 1
        ? 'model.safetensors'
        : `model-${padded(index + 1)}-of-${padded(shards.length)}.safetensors`
    for (const name of names) weightMap[name] = file
    writeSafetensors(join(folder, file), Object.fromEntries(names.map((name) => [name, lazy(name)])), {
      dtype,
    })
  }
  if (shards.length > 1) {
    const totalSize = sorted.reduce((total, name) => total + sizeOf(name), 0)
    writeJson(join(folder, 'model.safetensors.index.json'), {
      metadata: { total_size: totalSize },
      weight_map: weightMap,
    })
  }
  writeJson(join(folder, 'config.json'), withDtype(checkpoint.config, dtypeNames[dtype]))
  writeTokenizer(folder, checkpoint.folder)
}

/** @throws LmFailure `dtype-overflow` */
export function requireFloat16(data: Float32Array, name: string, file: string): void {
  if (data.every((value) => Math.abs(value) < float16Limit)) return
  throw new LmFailure({
    code: 'dtype-overflow',
    message: `the tensor \`${name}\` holds values that are too large for 16-bit floats (65504)`,
    hint: 'write bf16 or fp32',
    file,
  })
}

/** In order, each as full as it may be. */
function inShards(
  names: readonly string[],
  sizeOf: (name: string) => number,
  limit: number,
): (readonly string[])[] {
  const shards: string[][] = [[]]
  let filled = 0
  for (const name of names) {
    const size = sizeOf(name)
    if (filled > 0 && filled + size > limit) {
      shards.push([])
      filled = 0
    }
    shards.at(-1)!.push(name)
    filled += size
  }
  return shards
}

function padded(number: number): string {
  return String(number).padStart(5, '0')
}

/** Both of the names that transformers has had for it, in the text model's own part too. */
function withDtype(config: Readonly<Record<string, unknown>>, dtype: string): Record<string, unknown> {
  const { text_config: text } = config
  const changed: Record<string, unknown> = { ...config, dtype }
  if (config.torch_dtype !== undefined) changed.torch_dtype = dtype
  if (typeof text === 'object' && text !== null)
    changed.text_config = withDtype(text as Record<string, unknown>, dtype)
  return changed
}

const copied = [...tokenizerFiles, 'added_tokens.json', 'generation_config.json', 'preprocessor_config.json']

function writeTokenizer(folder: string, source: string): void {
  if (ggufFile(source) === undefined) {
    for (const file of copied) {
      if (existsSync(join(source, file))) copyFileSync(join(source, file), join(folder, file))
    }
    return
  }
  const { json, config, template, stopIds } = readTokenizerFiles(source)
  writeJson(join(folder, 'tokenizer.json'), { version: '1.0', truncation: null, padding: null, ...json })
  writeJson(join(folder, 'tokenizer_config.json'), config)
  if (template !== undefined) writeFileSync(join(folder, 'chat_template.jinja'), template)
  writeJson(join(folder, 'generation_config.json'), { eos_token_id: stopIds })
}
