/** @file Every family of decoders against transformers and PEFT, on tiny checkpoints that transformers saved. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tokenBatch } from '../../lm/batches/token-batch.ts'
import { openCheckpoint, readJsonObject } from '../../lm/checkpoint/folder.ts'
import { writeAdapter } from '../../lm/checkpoint/peft.ts'
import { fullMatch } from '../../lm/checkpoint/python-pattern.ts'
import { openSafetensors, type TensorData, writeSafetensors } from '../../lm/checkpoint/safetensors.ts'
import { generate } from '../../lm/generate/generate.ts'
import { freshAdapter, loadAdapter } from '../../lm/model/adapter.ts'
import { type AttentionKind, decoderConfig } from '../../lm/model/config.ts'
import type { DecoderParameters } from '../../lm/model/decoder.ts'
import { plainLora } from '../../lm/model/lora.ts'
import { loadModel } from '../../lm/model/model.ts'
import { rotaryFrequencies } from '../../lm/model/rotary.ts'
import { tf } from '../../lm/tensor/tf.ts'
import { CompiledGradient } from '../../lm/training/gradient.ts'
import { supervised, supervisedShares } from '../../lm/training/objectives/supervised.ts'
import { adapterCourse } from '../../lm/training/train-adapter.ts'
import { logitsOf } from './forward.ts'
import { largestDifference, loadReferenceModel, readReference, referencePath } from './reference.ts'
import { startOnnxBackend } from './start-onnx-backend.ts'

interface FamiliesReference {
  /** Two rows, which ran as one batch padded on the right. */
  readonly input_ids: number[][]
  /** The tokens whose logits are kept. */
  readonly tokens: number[]
  readonly prompts: number[][]
  readonly models: Readonly<
    Record<
      string,
      {
        /** [row][position][kept token] */
        readonly logits: number[][][]
        readonly adapted_logits: number[][][]
        readonly gradient: {
          readonly loss: number
          readonly grad_norm: number
          /** By PEFT's name: norm, first and last value. */
          readonly matrices: Readonly<Record<string, readonly [number, number, number]>>
        }
        readonly greedy: { readonly prompt: number; readonly continuation: number[] }[]
      }
    >
  >
}

const reference = readReference<FamiliesReference>('logits-families.json')

beforeAll(startOnnxBackend)

function keptLogits(parameters: DecoderParameters): number[] {
  const rows = logitsOf(parameters, reference.input_ids)
  return rows.flatMap((positions) => positions.flatMap((row) => reference.tokens.map((token) => row[token]!)))
}

function norm(values: ArrayLike<number>): number {
  return Math.hypot(...Array.from(values))
}

/** Of the mean loss over every token of the rows but the first, with respect to the adapter's matrices. */
function gradientOf(name: string) {
  const model = loadModel(referencePath(`models/${name}`))
  const { layout, assemble, initial } = adapterCourse(
    model,
    loadAdapter(referencePath(`adapters/${name}`), model.config),
  )
  const sequences = reference.input_ids.map((ids) => ({ ids, weights: ids.map(() => 1) }))
  const { arrays, layout: slots } = tokenBatch(sequences, { config: model.config, sharing: true })
  const gradient = new CompiledGradient({ assemble, layout, objective: supervised })
  const { g, loss } = gradient.run(
    {
      arrays: { ...arrays, ...supervisedShares(arrays, slots, sequences) },
      layout: slots,
      tokens: slots.counted,
    },
    tf.tensor1d(initial),
    tf.zeros([layout.size]),
  )
  gradient.dispose()
  const flat = g.dataSync() as Float32Array
  return { loss, flat, matrices: layout.unflatten(flat) }
}

describe.each(Object.entries(reference.models))('%s', (name, expected) => {
  it('gives the logits of transformers, and of PEFT with an adapter', () => {
    expect(largestDifference(keptLogits(loadReferenceModel(name)), expected.logits.flat(2))).toBeLessThan(
      3e-5,
    )
    const adapted = keptLogits(loadReferenceModel(name, name))
    expect(largestDifference(adapted, expected.adapted_logits.flat(2))).toBeLessThan(3e-5)
  })

  it('writes the same greedy answers to twenty chat prompts, of unlike length in one batch', async () => {
    const prompts = expected.greedy.map(({ prompt }) => reference.prompts[prompt]!)
    expect(prompts).toHaveLength(20)
    const answers = await generate(loadReferenceModel(name), prompts, {
      temperature: 0,
      topP: 1,
      topK: 0,
      maxNewTokens: 16,
      stopIds: [],
      seed: 0,
      batchSize: 10,
    })
    expect(answers.map(({ ids }) => ids)).toEqual(expected.greedy.map(({ continuation }) => continuation))
  })

  it('gives the adapter the gradient of torch', () => {
    const { loss, flat, matrices } = gradientOf(name)
    const { gradient } = expected
    expect(Math.abs(loss / gradient.loss - 1)).toBeLessThan(1e-6)
    expect(Math.abs(norm(flat) / gradient.grad_norm - 1)).toBeLessThan(1e-5)
    for (const [matrix, [size, first, last]] of Object.entries(gradient.matrices)) {
      const { data } = matrices.get(matrix.replace('.language_model.', '.'))!
      const ours = [norm(data), data[0]!, data.at(-1)!]
      expect(largestDifference(ours, [size, first, last]) / size).toBeLessThan(1e-5)
    }
    expect(Object.keys(gradient.matrices)).toHaveLength(matrices.size)
  })
})

describe('rotary embeddings as published configurations state them', () => {
  interface RotaryReference {
    readonly config: Readonly<Record<string, unknown>>
    readonly full: number[]
    readonly sliding: number[]
    readonly kinds: AttentionKind[]
  }
  const published = readReference<Record<string, RotaryReference>>('rotary.json')

  it.each(Object.entries(published))('%s', (_, { config: fields, kinds, ...frequencies }) => {
    const config = decoderConfig(fields, 'config.json')
    expect(config.layerKinds).toEqual(kinds)
    for (const kind of ['full', 'sliding'] as const) {
      const ours = rotaryFrequencies(config.rotary[kind], config.headSize)
      expect(ours).toHaveLength(frequencies[kind].length)
      ours.forEach((frequency, index) => {
        expect(Math.abs(frequency / frequencies[kind][index]! - 1)).toBeLessThan(2e-7)
      })
    }
  })
})

describe('vision-language checkpoints', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'flow-families-'))
  afterAll(() => rmSync(scratch, { recursive: true }))

  /** The checkpoint with its tensors under other names, and its configuration changed. */
  function rewritten(
    name: string,
    rename: (tensor: string) => string,
    change: (config: Record<string, unknown>) => Record<string, unknown>,
  ): string {
    const source = referencePath(`models/${name}`)
    const folder = mkdtempSync(join(scratch, 'model-'))
    cpSync(source, folder, { recursive: true })
    const checkpoint = openCheckpoint(source)
    const tensors: Record<string, TensorData> = {}
    for (const tensor of checkpoint.names) tensors[rename(tensor)] = checkpoint.tensor(tensor)
    writeSafetensors(join(folder, 'model.safetensors'), tensors)
    const file = join(folder, 'config.json')
    writeFileSync(file, JSON.stringify(change(JSON.parse(readFileSync(file, 'utf8')))))
    return folder
  }

  /** The text model's fields among those of the whole, rotary embeddings named as before transformers 5. */
  function flat({ text_config, ...whole }: Record<string, unknown>): Record<string, unknown> {
    const { rope_parameters, layer_types, ...text } = text_config as Record<string, unknown>
    const { rope_theta, mrope_section } = rope_parameters as Record<string, unknown>
    return { ...text, rope_theta, rope_scaling: { type: 'mrope', mrope_section }, ...whole }
  }
  const asItIs = (config: Record<string, unknown>) => config
  const nested = (tensor: string) =>
    tensor
      .replace(/^(language_model\.)?model\./, 'model.language_model.')
      .replace(/^visual\./, 'model.visual.')

  it.each([
    ['qwen2-vl', 'flat fields', (tensor: string) => tensor, flat],
    ['qwen2-vl', 'tensors below model.language_model', nested, asItIs],
    ['qwen2.5-vl', 'flat fields and tensors below model.language_model', nested, flat],
    ['gemma3', 'tensors below model.language_model', nested, asItIs],
  ])('%s with %s is the same text model', (name, _, rename, change) => {
    const { config, weights, remark } = loadModel(rewritten(name, rename, change))
    const expected = reference.models[name]!.logits.flat(2)
    expect(largestDifference(keptLogits({ config, weights }), expected)).toBeLessThan(3e-5)
    expect(remark).toBe(loadModel(referencePath(`models/${name}`)).remark)
  })

  it.each([
    ['qwen2-vl', 'Qwen2-VL'],
    ['qwen2.5-vl', 'Qwen2.5-VL'],
    ['gemma3', 'Gemma 3 with vision'],
  ])('%s says that its text model is used', (name, title) => {
    const folder = referencePath(`models/${name}`)
    const vision = openCheckpoint(folder).names.filter((tensor) =>
      /^(visual|vision|multi_modal)/.test(tensor),
    )
    expect(vision.length).toBeGreaterThan(0)
    expect(loadModel(folder).remark).toBe(
      `${title} checkpoint: its text model is used, ${vision.length} tensors of its vision part are left out`,
    )
  })

  it('say so alone', () => {
    expect(loadModel(referencePath('models/gemma3-text')).remark).toBeUndefined()
  })

  it('get fresh adapters that PEFT places on the text model, and not on the vision tower', () => {
    const model = loadModel(referencePath('models/qwen2.5-vl'))
    const wanted = { ...plainLora, r: 2, alpha: 4, targets: ['q_proj', 'mlp.gate_proj'] }
    const { settings, matrices } = freshAdapter(model, wanted, 1)
    const folder = join(scratch, 'adapter')
    writeAdapter(folder, { settings, baseModel: '', tensors: matrices })
    const { target_modules } = readJsonObject(join(folder, 'adapter_config.json'))
    const isTarget = fullMatch(target_modules as string)
    expect(isTarget('model.language_model.layers.1.mlp.gate_proj')).toBe(true)
    expect(isTarget('model.language_model.layers.1.mlp.up_proj')).toBe(false)
    expect(isTarget('model.visual.blocks.0.mlp.gate_proj')).toBe(false)
    const written = openSafetensors(join(folder, 'adapter_model.safetensors')).names
    expect(written).toHaveLength(8)
    expect(written).toContain('base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight')
    expect(loadAdapter(folder, model.config).matrices).toEqual(matrices)
  })
})
