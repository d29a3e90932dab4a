/** @file A repository of the hub as a reference names it (`org/name@revision`), and which of its files are needed. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { readJsonObject } from '../checkpoint/folder.ts'
import { LmFailure } from '../failure.ts'

export interface Repository {
  /** `org/name`; a few old ones have no `org`. */
  readonly name: string
  /** A branch, a tag or a commit. */
  readonly revision: string
}

/** Of a reference as people write it: `org/name` or `org/name@revision`. */
export const referencePattern = '[A-Za-z0-9][\\w.-]*/(?!.*\\.gguf$)[A-Za-z0-9][\\w.-]*(?:@[\\w./-]+)?'

const REFERENCE = /^(?<name>[A-Za-z0-9][\w.-]*(?:\/[A-Za-z0-9][\w.-]*)?)(?:@(?<revision>[\w./-]+))?$/

/** @throws LmFailure `invalid-hub-name` */
export function parseReference(text: string): Repository {
  const { name, revision = 'main' } = REFERENCE.exec(text)?.groups ?? {}
  if (
    name === undefined ||
    revision.split('/').some((part) => part === '' || part === '.' || part === '..')
  ) {
    throw new LmFailure({
      code: 'invalid-hub-name',
      message: `\`${text}\` does not name a repository of the hub`,
      hint: 'write hf://org/name or hf://org/name@revision',
    })
  }
  return { name, revision }
}

/** Which files of a repository are fetched: those that are read here, and no weights in other formats. */
export interface FileSelection {
  /** What the whole is called in messages. */
  readonly noun: string
  isWanted(path: string): boolean
  /** Whether a folder holds all that is needed. */
  isWhole(folder: string): boolean
}

const modelFiles = new Set([
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'model.safetensors.index.json',
])

export const modelSelection: FileSelection = {
  noun: 'model',
  isWanted: (path) => modelFiles.has(path) || /^model(-\d+-of-\d+)?\.safetensors$/.test(path),
  isWhole: (folder) =>
    ['config.json', 'tokenizer.json'].every((file) => existsSync(join(folder, file))) && hasWeights(folder),
}

const adapterFiles = new Set(['adapter_config.json', 'adapter_model.safetensors'])

export const adapterSelection: FileSelection = {
  noun: 'adapter',
  isWanted: (path) => adapterFiles.has(path),
  isWhole: (folder) => [...adapterFiles].every((file) => existsSync(join(folder, file))),
}

function hasWeights(folder: string): boolean {
  if (existsSync(join(folder, 'model.safetensors'))) return true
  const index = join(folder, 'model.safetensors.index.json')
  if (!existsSync(index)) return false
  const { weight_map: weightMap = {} } = readJsonObject(index)
  return Object.values(weightMap as object).every((shard) => existsSync(join(folder, String(shard))))
}
