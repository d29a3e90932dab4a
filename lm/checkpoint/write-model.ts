/** @file Writes a model folder in the Hugging Face layout, so that transformers loads it. */
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TensorData, writeSafetensors } from './safetensors.ts'

/** What a model folder holds of its tokenizer. */
export const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'special_tokens_map.json',
]

export interface SpecialIds {
  readonly bos: number | undefined
  readonly eos: number | undefined
  readonly pad: number
}

/**
 * @param config `config.json`, but for the special ids
 * @param tokenizerFolder whose tokenizer files are copied
 */
export function writeModel(
  folder: string,
  config: Readonly<Record<string, unknown>>,
  weights: ReadonlyMap<string, TensorData>,
  tokenizerFolder: string,
  special: SpecialIds,
): void {
  mkdirSync(folder, { recursive: true })
  const ids = {
    bos_token_id: special.bos ?? null,
    eos_token_id: special.eos ?? null,
    pad_token_id: special.pad,
  }
  writeJson(join(folder, 'config.json'), { ...config, ...ids })
  writeJson(join(folder, 'generation_config.json'), ids)
  writeSafetensors(join(folder, 'model.safetensors'), Object.fromEntries(weights), {
    metadata: { format: 'pt' },
  })
  for (const file of tokenizerFiles) {
    if (existsSync(join(tokenizerFolder, file))) copyFileSync(join(tokenizerFolder, file), join(folder, file))
  }
}

export function writeJson(file: string, value: unknown): void {
  writeFileSync(file, `${JSON.stringify(value, null, 2)}\n`)
}
