/**
 * @file A model on the disk: a folder in the Hugging Face layout, `config.json` and weights in one or several
 * safetensors files; or a GGUF file.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LmFailure } from '../failure.ts'
import { ggufFile, openGguf } from './gguf/open-gguf.ts'
import { openSafetensors, type SafetensorsFile, type TensorData, type TensorInfo } from './safetensors.ts'

const SINGLE_FILE = 'model.safetensors'
const INDEX_FILE = 'model.safetensors.index.json'

export interface Checkpoint {
  /** The folder, or the GGUF file. */
  readonly folder: string
  /** Named in messages about the configuration. */
  readonly configFile: string
  /** `config.json` as it stands, or the same made from GGUF's metadata; the model code reads and checks what it needs. */
  readonly config: Readonly<Record<string, unknown>>
  readonly names: readonly string[]
  has(name: string): boolean
  info(name: string): TensorInfo
  /** Reads one tensor as row-major float32. Throws `LmFailure` `missing-tensor`, `unsupported-dtype`. */
  tensor(name: string): TensorData
}

/** What is known of a checkpoint before its weights are looked at. */
export interface CheckpointConfig extends Pick<Checkpoint, 'folder' | 'config' | 'configFile'> {
  openWeights(): Checkpoint
}

/** Throws `LmFailure` `missing-file`, `invalid-json`; of a GGUF file those of `openCheckpoint`. */
export function openConfig(folder: string): CheckpointConfig {
  const gguf = ggufFile(folder)
  if (gguf !== undefined) {
    const checkpoint = openGguf(gguf)
    return { ...checkpoint, openWeights: () => checkpoint }
  }
  const configFile = join(folder, 'config.json')
  const known = { folder, configFile, config: readJsonObject(configFile) }
  return { ...known, openWeights: () => ({ ...known, ...openWeights(folder) }) }
}

/**
 * Opens the headers of a checkpoint, not its weights. Throws `LmFailure`: `missing-file`, `invalid-json`,
 * `damaged-safetensors`, `damaged-index`, `damaged-gguf`, `unsupported-gguf`, `unsupported-dtype`.
 */
export function openCheckpoint(folder: string): Checkpoint {
  return openConfig(folder).openWeights()
}

function openWeights(folder: string): Omit<Checkpoint, keyof CheckpointConfig> {
  const fileOf = weightFiles(folder)
  const owner = (name: string): SafetensorsFile => {
    const file = fileOf.get(name)
    if (!file) {
      throw new LmFailure({
        code: 'missing-tensor',
        message: `${folder} has no tensor \`${name}\``,
        hint: 'config.json describes another model, or the weights are not all there',
        file: folder,
      })
    }
    return file
  }
  return {
    names: [...fileOf.keys()],
    has: (name) => fileOf.has(name),
    info: (name) => owner(name).info(name),
    tensor: (name) => owner(name).read(name),
  }
}

function weightFiles(folder: string): Map<string, SafetensorsFile> {
  const single = join(folder, SINGLE_FILE)
  if (existsSync(single)) {
    const file = openSafetensors(single)
    return new Map(file.names.map((name) => [name, file]))
  }
  const index = join(folder, INDEX_FILE)
  if (existsSync(index)) return openShards(folder, index)
  const pickled = existsSync(join(folder, 'pytorch_model.bin'))
  throw new LmFailure({
    code: 'missing-file',
    message: `${folder} has neither ${SINGLE_FILE} nor ${INDEX_FILE}`,
    hint: pickled
      ? 'only safetensors are read; save the model again with `safe_serialization=True`'
      : 'a model folder holds config.json, model.safetensors, tokenizer.json and tokenizer_config.json',
    file: folder,
  })
}

function openShards(folder: string, index: string): Map<string, SafetensorsFile> {
  const weightMap = readJsonObject(index).weight_map
  if (typeof weightMap !== 'object' || weightMap === null || Array.isArray(weightMap)) {
    throw new LmFailure({ code: 'damaged-index', message: `${index} has no \`weight_map\``, file: index })
  }
  const shards = new Map<string, SafetensorsFile>()
  const fileOf = new Map<string, SafetensorsFile>()
  for (const [name, shardName] of Object.entries(weightMap)) {
    if (typeof shardName !== 'string' || shardName.includes('/') || shardName.includes('\\')) {
      throw new LmFailure({
        code: 'damaged-index',
        message: `${index} places \`${name}\` in ${JSON.stringify(shardName)}, which is not a file name`,
        file: index,
      })
    }
    let shard = shards.get(shardName)
    if (!shard) {
      const path = join(folder, shardName)
      if (!existsSync(path)) {
        throw new LmFailure({
          code: 'missing-file',
          message: `${path}, which ${INDEX_FILE} names, is missing`,
          file: path,
        })
      }
      shard = openSafetensors(path)
      shards.set(shardName, shard)
    }
    if (!shard.has(name)) {
      throw new LmFailure({
        code: 'damaged-index',
        message: `${index} places \`${name}\` in ${shardName}, which does not hold it`,
        file: index,
      })
    }
    fileOf.set(name, shard)
  }
  return fileOf
}

/** Reads a JSON file whose top level is an object. Throws `LmFailure` `missing-file` or `invalid-json`. */
export function readJsonObject(file: string): Record<string, unknown> {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const message =
      code === 'ENOENT' ? `${file} is missing` : `cannot read ${file} (${code ?? String(error)})`
    throw new LmFailure({ code: 'missing-file', message, file })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new LmFailure({
      code: 'invalid-json',
      message: `${file} is not JSON: ${(error as Error).message}`,
      file,
    })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LmFailure({ code: 'invalid-json', message: `${file} does not hold a JSON object`, file })
  }
  return value as Record<string, unknown>
}
