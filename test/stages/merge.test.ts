/** @file `merge`: the written model does what the base and its adapter did, in each format; and the command. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../lm/checkpoint/folder.ts'
import { loadModel } from '../../lm/model/model.ts'
import merge from '../../stages/merge/index.ts'
import { TestProject } from '../cli/test-project.ts'
import { logitsOf } from '../lm/forward.ts'
import {
  type LogitsReference,
  largestDifference,
  loadReferenceModel,
  readReference,
  referencePath,
} from '../lm/reference.ts'
import { startOnnxBackend } from '../lm/start-onnx-backend.ts'
import { failureOf, runStage } from './run-stage.ts'

const reference = readReference<LogitsReference>('logits.json')

beforeAll(startOnnxBackend)

function inputs(model: string, adapter?: string) {
  return {
    model: referencePath(`models/${model}`),
    ...(adapter !== undefined && { adapter: referencePath(`adapters/${adapter}`) }),
  }
}

function logits(model: string): number[] {
  return logitsOf(loadModel(model), reference.input_ids).flat(2)
}

describe('a merged folder', () => {
  it.each(['llama', 'llama-tied', 'qwen2'])('of %s has the logits of PEFT', async (model) => {
    const { outputs } = await runStage(merge, inputs(model, model))
    const expected = reference.models[`${model}+adapter`]!.logits.flat(2)
    const base = reference.models[model]!.logits.flat(2)
    expect(largestDifference(base, expected)).toBeGreaterThan(0.1)
    expect(largestDifference(logits(outputs.model!), expected)).toBeLessThan(1e-4)
  })

  it.each([
    ['qwen2', 'qwen2-dora'],
    ['qwen2', 'qwen2-rslora'],
    ['llama', 'llama-dora-rslora'],
  ])('of %s and %s has the logits of the two', async (model, adapter) => {
    const { outputs } = await runStage(merge, inputs(model, adapter))
    const expected = logitsOf(loadReferenceModel(model, adapter), reference.input_ids).flat(2)
    expect(largestDifference(logits(outputs.model!), expected)).toBeLessThan(1e-4)
  })

  it('holds all that the model came with, its type changed', async () => {
    const { outputs, logs } = await runStage(merge, inputs('qwen2', 'qwen2'), { dtype: 'bf16' })
    const source = referencePath('models/qwen2')
    expect(readdirSync(outputs.model!).sort()).toEqual(readdirSync(source).sort())
    for (const file of readdirSync(source)) {
      if (file === 'config.json' || file.endsWith('.safetensors')) continue
      expect(readFileSync(join(outputs.model!, file)).equals(readFileSync(join(source, file)))).toBe(true)
    }
    const config = JSON.parse(readFileSync(join(source, 'config.json'), 'utf8'))
    const written = openCheckpoint(outputs.model!)
    expect(written.config).toEqual({ ...config, dtype: 'bfloat16' })
    for (const name of written.names) expect(written.info(name).dtype).toBe('BF16')
    expect(logs.join()).toContain('14 adapted weights, written as BF16')
  })

  it('is cut into files of a size, the same weights in them', async () => {
    const whole = await runStage(merge, inputs('llama', 'llama'))
    const { outputs } = await runStage(merge, inputs('llama', 'llama'), { shard_size: 5e-5 })
    const shards = readdirSync(outputs.model!).filter((file) => file.endsWith('.safetensors'))
    expect(shards.length).toBeGreaterThan(2)
    expect(shards[0]).toBe(`model-00001-of-0000${shards.length}.safetensors`)
    for (const shard of shards) expect(statSync(join(outputs.model!, shard)).size).toBeLessThan(55_000)
    const [one, several] = [openCheckpoint(whole.outputs.model!), openCheckpoint(outputs.model!)]
    expect([...several.names].sort()).toEqual([...one.names].sort())
    for (const name of one.names) expect(several.tensor(name)).toEqual(one.tensor(name))
    const index = JSON.parse(readFileSync(join(outputs.model!, 'model.safetensors.index.json'), 'utf8'))
    const total = one.names.reduce((sum, name) => sum + 4 * one.tensor(name).data.length, 0)
    expect(index.metadata.total_size).toBe(total)
  })

  it('without an adapter is the model itself', async () => {
    const { outputs } = await runStage(merge, inputs('llama'))
    const [before, after] = [openCheckpoint(referencePath('models/llama')), openCheckpoint(outputs.model!)]
    for (const name of before.names) expect(after.tensor(name)).toEqual(before.tensor(name))
  })
})

describe('a merged GGUF file', () => {
  it.each([
    ['llama', 'fp32', 1e-4],
    ['qwen2', 'fp32', 1e-4],
    // The weights of these models are as wide as their rounding is coarse: 0.02 and 0.05 in llama.cpp, too.
    ['llama', 'fp16', 0.03],
    ['qwen2', 'fp16', 0.06],
  ])('of %s in %s has the logits of PEFT within %f', async (model, dtype, tolerance) => {
    const { outputs } = await runStage(merge, inputs(model, model), { format: 'gguf', dtype })
    const expected = reference.models[`${model}+adapter`]!.logits.flat(2)
    expect(largestDifference(logits(outputs.model!), expected)).toBeLessThan(tolerance)
  })

  it('turns into a folder again, the tokenizer with it', async () => {
    const file = await runStage(merge, inputs('llama'), { format: 'gguf', dtype: 'fp32' })
    const { outputs } = await runStage(merge, { model: file.outputs.model! })
    expect(largestDifference(logits(outputs.model!), reference.models.llama!.logits.flat(2))).toBeLessThan(
      1e-4,
    )
    const [read, original] = [loadModel(outputs.model!), loadModel(referencePath('models/llama'))]
    const text = 'What is 47 plus 38? <|im_start|>user\n'
    expect(read.tokenizer.encode(text)).toEqual(original.tokenizer.encode(text))
    expect(read.tokenizer.chatTemplate).toBe(original.tokenizer.chatTemplate)
  })
})

describe('every family', () => {
  interface FamiliesReference {
    readonly input_ids: number[][]
    /** The tokens whose logits are kept. */
    readonly tokens: number[]
    readonly models: Readonly<Record<string, { readonly adapted_logits: number[][][] }>>
  }
  const { input_ids: ids, tokens, models } = readReference<FamiliesReference>('logits-families.json')

  /** Longer texts than the windows of these, of which GGUF's files say nothing. */
  const windowed = ['mistral', 'qwen2.5-vl']
  /** Their queries are scaled as in no Gemma 3 that llama.cpp knows. */
  const refused = ['gemma3', 'gemma3-text']

  async function difference(model: string, format: string) {
    const { outputs, warnings } = await runStage(merge, inputs(model, model), { format, dtype: 'fp32' })
    const rows = logitsOf(loadModel(outputs.model!), ids).flat()
    const kept = rows.flatMap((row) => tokens.map((token) => row[token]!))
    return { largest: largestDifference(kept, models[model]!.adapted_logits.flat(2)), warnings }
  }

  it.each(Object.keys(models))('%s, written as a folder, has the logits of PEFT', async (model) => {
    expect((await difference(model, 'huggingface')).largest).toBeLessThan(1e-4)
  })

  it.each(Object.keys(models).filter((model) => ![...windowed, ...refused].includes(model)))(
    '%s, written as GGUF, has the logits of PEFT',
    async (model) => {
      expect((await difference(model, 'gguf')).largest).toBeLessThan(1e-4)
    },
  )

  it.each(windowed)('%s, written as GGUF, loses its window with a warning', async (model) => {
    expect((await difference(model, 'gguf')).warnings.join()).toContain('knows no sliding window')
  })

  it.each(refused)('%s is not written as GGUF', async (model) => {
    const failure = await failureOf(runStage(merge, inputs(model, model), { format: 'gguf' }))
    expect(failure.code).toBe('gguf-cannot-say')
  })
})

describe('what cannot be merged', () => {
  it('q8_0 in a folder', async () => {
    expect((await failureOf(runStage(merge, inputs('llama'), { dtype: 'q8_0' }))).code).toBe(
      'unsupported-dtype',
    )
  })

  it('an adapter of another model', async () => {
    expect((await failureOf(runStage(merge, inputs('llama', 'qwen2')))).code).toBe('adapter-does-not-fit')
  })

  it('a weight that is no number', async () => {
    const { outputs } = await runStage(merge, inputs('llama'))
    const file = join(outputs.model!, 'model.safetensors')
    const bytes = readFileSync(file)
    bytes.writeUInt32LE(0x7fc00000, bytes.length - 4)
    writeFileSync(file, bytes)
    expect((await failureOf(runStage(merge, { model: outputs.model! }))).code).toBe('not-finite')
  })
})

describe('in a project', () => {
  const workflow = `
nodes:
  merge:
    uses: merge
    in: { model: ${referencePath('models/llama')}, adapter: ${referencePath('adapters/llama')} }
    with: { format: gguf, dtype: fp32 }
    out: { model: checkpoints/merged.gguf }
  back:
    uses: merge
    in: { model: "\${{ nodes.merge.model }}" }
    out: { model: checkpoints/merged }
  again:
    uses: merge
    in: { model: ${referencePath('gguf/llama.gguf')} }
`

  it('a model passes from node to node as a file or as a folder', async () => {
    const project = new TestProject({ 'workflow.yaml': workflow })
    const run = () => project.run('workflow.yaml', '--allow', referencePath(''))
    const first = await run()
    expect(first.stderr).toBe('')
    expect(first.executed).toEqual(['again', 'back', 'merge'])
    const expected = reference.models['llama+adapter']!.logits.flat(2)
    for (const path of ['checkpoints/merged.gguf', 'checkpoints/merged']) {
      expect(largestDifference(logits(join(project.folder, path)), expected)).toBeLessThan(1e-4)
    }
    expect((await run()).reused).toEqual(['again', 'back', 'merge'])
  })

  it('`flow merge` writes beside nothing that is there', async () => {
    const project = new TestProject()
    const named = ['--model', referencePath('models/llama'), '--adapter', referencePath('adapters/llama')]
    const done = await project.flow('merge', ...named, '--out', 'merged')
    expect(done.code, done.stderr).toBe(0)
    expect(done.stdout).toBe('merged\n')
    expect(readdirSync(project.folder).filter((name) => name.startsWith('merged'))).toEqual(['merged'])
    const again = await project.flow('merge', ...named, '--out', 'merged')
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('error[output-exists]: merged is there already')
    const faults: [string[], string][] = [
      [named, 'error[missing-option]: flow merge needs --out'],
      [[...named, '--out', 'x', '--format', 'onnx'], 'error[invalid-option]: --format must be one of'],
      [['--model', 'no/such/model', '--out', 'x'], 'error[missing-folder]'],
      [[...named, '--out', 'x', 'y'], 'error[unexpected-argument]'],
    ]
    for (const [args, message] of faults) {
      const { code, stderr } = await project.flow('merge', ...args)
      expect(code).toBe(1)
      expect(stderr).toContain(message)
    }
    expect(readdirSync(project.folder)).not.toContain('x')
  }, 60_000)
})
