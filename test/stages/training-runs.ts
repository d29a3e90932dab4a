/** @file The training stages on the tiny Qwen2 checkpoint with an adapter that has learned something already. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readAdapter } from '../../lm/checkpoint/peft.ts'
import { loadAdapter } from '../../lm/model/adapter.ts'
import type { Model } from '../../lm/model/model.ts'
import { loadModel } from '../../lm/model/model.ts'
import { scoreSequences } from '../../lm/training/score-sequences.ts'
import { enteringPolicy } from '../../lm/training/train-adapter.ts'
import { referencePath } from '../lm/reference.ts'
import { type StageRun, temporaryFolder } from './run-stage.ts'

export const policy = { model: referencePath('models/qwen2'), adapter: referencePath('adapters/qwen2') }

/** Settings under which a dozen rows train in half a second. */
export const quick = { batch_size: 4, learning_rate: 1e-3, warmup: 0, max_length: 128 }

export type LogRow = Readonly<Record<string, number>>

export function logOf(run: StageRun): LogRow[] {
  return run.rows('log')
}

/** All matrices of a PEFT folder, one after another. */
export function parametersOf(folder: string): number[] {
  return [...readAdapter(folder).tensors.values()].flatMap(({ data }) => [...data])
}

/** The weights' file, bit for bit. */
export function adapterBytes(folder: string): Buffer {
  return readFileSync(join(folder, 'adapter_model.safetensors'))
}

export interface Completion {
  readonly prompt: readonly number[]
  readonly completion: readonly number[]
}

/**
 * Log-probability of each token of the completions under `policy`; the backend must run.
 * @param adapted false: under the bare model
 */
export async function completionLogps(
  completions: readonly Completion[],
  temperature = 1,
  adapted = true,
): Promise<number[][]> {
  const model = loadModel(policy.model)
  const entering = adapted ? enteringPolicy(model, loadAdapter(policy.adapter, model.config)) : model
  const sequences = completions.map(({ prompt, completion }) => ({
    ids: [...prompt, ...completion],
    weights: [...prompt.map(() => 0), ...completion.map(() => 1)],
  }))
  const hooks = { signal: new AbortController().signal, progress() {} }
  const logps = await scoreSequences(entering, sequences, 64, temperature, hooks)
  return logps.map((values) => [...values])
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

/** ChatML, written out: what the checkpoint's template must make of one question, up to the answer. */
export function chatPrompt({ tokenizer }: Model, question: string): number[] {
  return tokenizer.encode(`<|im_start|>user\n${question}<|im_end|>\n<|im_start|>assistant\n`)
}

/** The checkpoint with changed files; a function gets the parsed JSON. */
export function changedModel(file: string, change: (content: Record<string, unknown>) => object): string {
  const folder = join(temporaryFolder(), 'model')
  cpSync(policy.model, folder, { recursive: true })
  const path = join(folder, file)
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')))))
  return folder
}

interface TokenizerJson {
  readonly model: { readonly vocab: Record<string, number>; readonly merges: [string, string][] }
}

/** The checkpoint with one token for two line feeds, in place of `sis`: an answer may merge with its prompt's end. */
export function mergingModel(): string {
  return changedModel('tokenizer.json', (content) => {
    const { model } = content as unknown as TokenizerJson
    const { sis: id, ...vocab } = model.vocab
    const merges = model.merges.map((merge) => (merge.join('') === 'sis' ? ['Ċ', 'Ċ'] : merge))
    return { ...content, model: { ...model, vocab: { ...vocab, ĊĊ: id }, merges } }
  })
}
