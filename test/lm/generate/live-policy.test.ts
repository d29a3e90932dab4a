/** @file A policy that moves between calls: what was compiled before serves on, and reads the new values. */
import { beforeAll, expect, it } from 'vitest'
import { type GenerationSettings, Generator, generate } from '../../../lm/generate/generate.ts'
import { loadAdapter } from '../../../lm/model/adapter.ts'
import { LivePolicy } from '../../../lm/model/live-policy.ts'
import type { LoraMatrix } from '../../../lm/model/lora.ts'
import { loadModel, type Model } from '../../../lm/model/model.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { SequenceScorer, scoreSequences } from '../../../lm/training/score-sequences.ts'
import { enteringPolicy } from '../../../lm/training/train-adapter.ts'
import { largestDifference, referencePath } from '../reference.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

let model: Model
beforeAll(async () => {
  await startOnnxBackend()
  model = loadModel(referencePath('models/qwen2'))
})

const adapter = () => loadAdapter(referencePath('adapters/qwen2'), model.config)

function moved(matrices: ReadonlyMap<string, LoraMatrix>): Map<string, LoraMatrix> {
  return new Map(
    [...matrices].map(([name, { shape, data }]) => [name, { shape, data: data.map((x) => 3 * x) }]),
  )
}

const prompts = [
  [5, 6, 7, 8, 9],
  [40, 41, 42],
]
const settings: GenerationSettings = {
  temperature: 1,
  topP: 1,
  topK: 0,
  maxNewTokens: 12,
  batchSize: 8,
  seed: 'live/3',
  stopIds: [2],
}
const rows = prompts.map((ids) => ({ ids, weights: ids.map(() => 1) }))
const hooks = { signal: new AbortController().signal, progress() {} }

it('generates and scores with the values that it was given last, without compiling anew', async () => {
  const before = tf.memory().numTensors
  const entering = enteringPolicy(model, adapter())
  const live = new LivePolicy(entering)
  const generator = new Generator(live.parameters)
  const scorer = new SequenceScorer(live.parameters, 4, 0.7)
  const first = {
    answers: await generator.generate(prompts, settings),
    logps: await scorer.score(rows, hooks),
  }
  expect(first.answers).toEqual(await generate(entering, prompts, settings))
  const { traces } = generator

  const matrices = moved(adapter().matrices)
  live.move(matrices)
  const second = {
    answers: await generator.generate(prompts, settings),
    logps: await scorer.score(rows, hooks),
  }
  expect(generator.traces).toBe(traces)
  const there = enteringPolicy(model, { ...adapter(), matrices })
  expect(second.answers).toEqual(await generate(there, prompts, settings))
  expect(second.logps).toEqual(await scoreSequences(there, rows, 4, 0.7, hooks))
  expect(second.answers).not.toEqual(first.answers)
  expect(second.logps).not.toEqual(first.logps)

  // What it says of its own tokens while it samples is what scoring them gives.
  const sampled = await generator.generate(prompts, { ...settings, temperature: 0.7, topP: 0.9 })
  const sequences = sampled.map(({ ids }, index) => ({
    ids: [...prompts[index]!, ...ids],
    weights: [...prompts[index]!.map(() => 0), ...ids.map(() => 1)],
  }))
  const scored = await scorer.score(sequences, hooks)
  scored.forEach((logps, index) => {
    expect(largestDifference(logps, sampled[index]!.logps)).toBeLessThan(1e-4)
  })

  live.move(adapter().matrices)
  expect(await generator.generate(prompts, settings)).toEqual(first.answers)

  for (const each of [generator, scorer, live]) each.dispose()
  tf.dispose([entering.adapter.tensors, there.adapter.tensors])
  expect(tf.memory().numTensors).toBe(before)
})
