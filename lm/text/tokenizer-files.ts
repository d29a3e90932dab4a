/** @file What a tokenizer is made of: the files of a Hugging Face folder, or the same made from a GGUF file. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { readJsonObject } from '../checkpoint/folder.ts'
import { ggufFile } from '../checkpoint/gguf/open-gguf.ts'
import { readGgufTokenizer } from '../checkpoint/gguf/read-tokenizer.ts'

export interface TokenizerFiles {
  /** Named in messages: `tokenizer.json`, or the GGUF file. */
  readonly file: string
  /** `tokenizer.json` */
  readonly json: Readonly<Record<string, unknown>>
  /** `tokenizer_config.json` */
  readonly config: Readonly<Record<string, unknown>>
  /** `model_type` of `config.json`; undefined where there is none. */
  readonly modelType: string | undefined
  /** The chat template. */
  readonly template: string | undefined
  /** End tokens that the model's own files name. */
  readonly stopIds: readonly number[]
}

/**
 * @param path a folder with `tokenizer.json`, and `tokenizer_config.json`, `chat_template.jinja`,
 * `generation_config.json` and `config.json` where they are; or a GGUF file
 * @throws LmFailure `missing-file`, `invalid-json`, `damaged-gguf`, `unsupported-gguf`
 */
export function readTokenizerFiles(path: string): TokenizerFiles {
  const gguf = ggufFile(path)
  if (gguf !== undefined) return readGgufTokenizer(gguf)
  const file = join(path, 'tokenizer.json')
  const json = readJsonObject(file)
  const config = readOptional(path, 'tokenizer_config.json')
  const modelType = readOptional(path, 'config.json').model_type
  return {
    file,
    json,
    config,
    modelType: typeof modelType === 'string' ? modelType : undefined,
    template: readChatTemplate(path, config),
    stopIds: configuredStops(path),
  }
}

function readOptional(folder: string, name: string): Record<string, unknown> {
  const file = join(folder, name)
  return existsSync(file) ? readJsonObject(file) : {}
}

/** `chat_template.jinja` goes before `tokenizer_config.json`; of several templates the one named `default` counts. */
function readChatTemplate(folder: string, config: Record<string, unknown>): string | undefined {
  const file = join(folder, 'chat_template.jinja')
  if (existsSync(file)) return readFileSync(file, 'utf8')
  const template = config.chat_template
  if (typeof template === 'string') return template
  if (Array.isArray(template)) {
    const named = template.find((entry) => entry?.name === 'default')?.template
    if (typeof named === 'string') return named
  }
  return undefined
}

function configuredStops(folder: string): number[] {
  const generation = readOptional(folder, 'generation_config.json').eos_token_id
  const stops = generation ?? readOptional(folder, 'config.json').eos_token_id
  return (Array.isArray(stops) ? stops : [stops]).filter((id): id is number => Number.isInteger(id))
}
