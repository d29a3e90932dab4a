/** @file Sequences that share a row, and their first tokens: each is scored and differentiated as in a row of its own. */
import { beforeAll, describe, expect, it } from 'vitest'
import type { LayoutSettings } from '../../../lm/batches/layout.ts'
import type { Sequence } from '../../../lm/batches/sequence.ts'
import { rowsOf, tokenBatch } from '../../../lm/batches/token-batch.ts'
import { loadAdapter } from '../../../lm/model/adapter.ts'
import { loadModel } from '../../../lm/model/model.ts'
import { openSizesOf, upload } from '../../../lm/tensor/host-tensor.ts'
import { type Jitted, jit } from '../../../lm/tensor/jit.ts'
import { type TensorMap, tf } from '../../../lm/tensor/tf.ts'
import { scoreLabels } from '../../../lm/training/forward.ts'
import { CompiledGradient } from '../../../lm/training/gradient.ts'
import { supervised, supervisedShares } from '../../../lm/training/objectives/supervised.ts'
import { adapterCourse, enteringPolicy } from '../../../lm/training/train-adapter.ts'
import { referencePath } from '../reference.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'

beforeAll(startOnnxBackend)

const prompt = [5, 60, 7, 81, 9, 17]
const branch = (from: number, length: number) =>
  Array.from({ length }, (_, each) => 30 + ((from + 13 * each) % 200))
/** Two answers to a prompt, a third that parts from the second later, the prompt alone, and another one. */
const texts = [
  [...prompt, ...branch(1, 5)],
  [...prompt, ...branch(2, 8)],
  [...prompt, ...branch(2, 4), ...branch(9, 3)],
  prompt,
  branch(3, 7),
]
/** Everything counts, the shared tokens for each of them. */
const sequences: Sequence[] = texts.map((ids) => ({ ids, weights: ids.map((_, at) => 1 + (at % 3)) }))

it('stands in its row once, whatever it goes on with', () => {
  const { config } = loadModel(referencePath('models/llama'))
  const own = texts.reduce((sum, { length }) => sum + length - 1, 0)
  const shapes = [{ rows: 1, length: 64, querySpans: 1, slots: 64 }]
  const shared = rowsOf(sequences, { config, sharing: true, shapes })
  // Without the prompt of the first, the ten tokens that the third has of the second, and the prompt alone.
  expect(shared.occupied).toBe(own - 6 - 10 - 5)
  expect(rowsOf(sequences, { config, sharing: false }).occupied).toBe(own)
})

describe.each(['full', 'sliding'] as const)('with %s attention', (kind) => {
  const changed = () => {
    const model = loadModel(referencePath('models/qwen2'))
    const { rotary, layerKinds } = model.config
    const config = {
      ...model.config,
      window: 4,
      layerKinds: layerKinds.map((_, layer) => (layer === 0 ? kind : 'full')),
      rotary: { full: rotary.full, sliding: rotary.full },
    }
    const adapter = loadAdapter(referencePath('adapters/qwen2'), config)
    return { model: { ...model, config }, adapter }
  }
  const layouts = (config: LayoutSettings['config']): LayoutSettings[] => [
    { config, sharing: true, shapes: [{ rows: 1, length: 48, querySpans: 1, slots: 48 }] },
    { config, sharing: true, shapes: [{ rows: 3, length: 16, querySpans: 1, slots: 56 }] },
    { config, sharing: true, forms: [{ rows: 1, querySpans: 4 }] },
    { config, sharing: true, forms: [{ rows: 2, querySpans: 2 }] },
    { config, sharing: false, forms: 'any' },
    { config, sharing: false },
  ]

  it('each token is as probable as in a row of its own', () => {
    const { model, adapter } = changed()
    const parameters = enteringPolicy(model, adapter)
    let run: Jitted<TensorMap, TensorMap> | undefined
    // One for each number of rows and spans, whatever their length.
    const graphs = new Set<string>()
    const score = (rows: readonly Sequence[], settings: LayoutSettings) => {
      const { arrays, layout } = tokenBatch(rows, settings)
      run ??= jit((batch: TensorMap) => ({ logps: scoreLabels(parameters, batch).logps }), {
        openSizes: openSizesOf(arrays),
      })
      graphs.add(`${layout.rows} ${layout.querySpans}`)
      const { logps } = run(upload(arrays))
      return [...logps!.dataSync().slice(0, layout.counted)]
    }
    const alone = sequences.flatMap((row) => score([row], { config: model.config, sharing: false }))
    for (const settings of layouts(model.config)) {
      const together = score(sequences, settings)
      expect(together).toHaveLength(alone.length)
      together.forEach((logp, index) => {
        expect(Math.abs(logp / alone[index]! - 1)).toBeLessThan(2e-6)
      })
    }
    expect(run!.traces).toBe(graphs.size)
    run!.dispose()
    tf.dispose(parameters.adapter.tensors)
  })

  it('the gradient is the sum of theirs', () => {
    const { model, adapter } = changed()
    const { layout: parameters, assemble, initial } = adapterCourse(model, adapter)
    const gradient = new CompiledGradient({ assemble, layout: parameters, objective: supervised })
    const p = tf.tensor1d(initial)
    const add = (rows: readonly Sequence[], settings: LayoutSettings, g: tf.Tensor) => {
      const { arrays, layout } = tokenBatch(rows, settings)
      const all = { ...arrays, ...supervisedShares(arrays, layout, sequences) }
      return gradient.run({ arrays: all, layout, tokens: 0 }, p, g).g
    }
    const zeros = () => tf.zeros([parameters.size])
    const alone = sequences.reduce(
      (g, row) => add([row], { config: model.config, sharing: false }, g),
      zeros() as tf.Tensor,
    )
    const largest = tf.max(tf.abs(alone)).dataSync()[0]!
    for (const settings of layouts(model.config)) {
      const difference = tf.max(tf.abs(tf.sub(add(sequences, settings, zeros()), alone))).dataSync()[0]!
      // Spans sum in another order: the values differ in their last bit, the gradients of this model in some.
      const isDivided = Array.isArray(settings.forms)
      expect(difference / largest).toBeLessThan(isDivided ? 5e-6 : 2e-6)
    }
    gradient.dispose()
  })
})
