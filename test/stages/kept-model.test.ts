/** @file A model that one node after another reads stays as it was loaded, and nothing else is left of a node. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, it } from 'vitest'
import type { Model } from '../../lm/model/model.ts'
import { startDevice } from '../../lm/tensor/device.ts'
import { tf } from '../../lm/tensor/tf.ts'
import dpo from '../../stages/dpo/index.ts'
import evaluate from '../../stages/evaluate/index.ts'
import generate from '../../stages/generate/index.ts'
import grpo from '../../stages/grpo/index.ts'
import perplexity from '../../stages/perplexity/index.ts'
import sft from '../../stages/sft/index.ts'
import { readReferenceRows } from '../lm/reference.ts'
import { type AnyStage, runStage, temporaryFile } from './run-stage.ts'
import { policy, quick } from './training-runs.ts'

beforeAll(() => startDevice('cpu', 1))

/** As a worker process keeps one. */
let model: Model | undefined
let loads = 0
function keep(_port: string, _what: string, load: () => unknown) {
  if (model === undefined) loads++
  model ??= load() as Model
  return { value: model, isShared: true }
}

function digest({ weights }: Model): string {
  const hash = createHash('sha256')
  for (const [name, tensor] of Object.entries(weights)) {
    hash.update(name)
    hash.update(tensor.dataSync() as Float32Array)
  }
  return hash.digest('hex')
}

/** Port -> bytes of the file, or of all files of the folder. */
function bytesOf(outputs: Readonly<Record<string, string>>): Record<string, string> {
  const read = (path: string): string =>
    statSync(path).isDirectory()
      ? readdirSync(path)
          .sort()
          .map((name) => name + read(join(path, name)))
          .join()
      : readFileSync(path, 'base64')
  return Object.fromEntries(Object.entries(outputs).map(([port, path]) => [port, read(path)]))
}

const rows = (path: string, count = 4) => readReferenceRows<object>(path).slice(0, count)
const questions = () => temporaryFile('questions.jsonl', [{ prompt: 'what is 1 + 1?', answer: '2' }])
const training = { ...quick, epochs: 1, batch_size: 4 }
const courses: readonly (readonly [string, AnyStage, () => Record<string, unknown>, object])[] = [
  [
    'sft',
    sft,
    () => ({ data: { rows: temporaryFile('rows.jsonl', rows('training/sft-rows.jsonl')) } }),
    training,
  ],
  ['dpo', dpo, () => ({ data: temporaryFile('pairs.jsonl', rows('training/dpo-rows.jsonl')) }), training],
  [
    'grpo',
    grpo,
    () => ({ data: temporaryFile('rows.jsonl', rows('training/grpo-rows.jsonl', 11)) }),
    training,
  ],
  [
    'generate',
    generate,
    () => ({ prompts: temporaryFile('prompts.jsonl', [{ prompt: 'hello' }]) }),
    { max_new_tokens: 4 },
  ],
  ['evaluate', evaluate, () => ({ questions: questions() }), { max_new_tokens: 4 }],
  [
    'perplexity',
    perplexity,
    () => ({ data: temporaryFile('texts.jsonl', [{ text: 'a text of some words' }]) }),
    {},
  ],
]

it.each(courses)(
  '%s alters none of it, leaves no tensor, and writes the same bytes',
  async (_, stage, data, params) => {
    const inputs = { model: policy.model, adapter: policy.adapter, ...data() } as Record<string, string>
    const alone = await runStage(stage, inputs, { ...params })
    await runStage(stage, inputs, { ...params }, { keep })
    const before = { weights: digest(model!), tensors: tf.memory().numTensors }
    const kept = await runStage(stage, inputs, { ...params }, { keep })
    expect({ weights: digest(model!), tensors: tf.memory().numTensors }).toEqual(before)
    expect(bytesOf(kept.outputs)).toEqual(bytesOf(alone.outputs))
    expect(loads).toBe(1)
  },
)
