/** @file NEFTune: how strong the noise is, what it follows from, and where there is none. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { embeddingNoise } from '../../../lm/training/neftune.ts'
import { trainAdapter } from '../../../lm/training/train-adapter.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'
import {
  sequences,
  smallModel,
  smallSettings,
  supervisedTask,
  trainedAdapter,
  trainerContext,
} from './small-training.ts'

const scratch = mkdtempSync(join(tmpdir(), 'neftune-'))
afterAll(() => rmSync(scratch, { recursive: true }))
beforeAll(startOnnxBackend)

const settings = { alpha: 5, seed: 1 }
const place = { update: 3, micro: 1, pass: 0 }
const noise = (changed = {}, at = place) =>
  embeddingNoise({ rows: 4, length: 24, querySpans: 2 }, 21, 32, { ...settings, ...changed }, at)

describe('the noise', () => {
  it('is uniform in +-alpha / sqrt(longest * hiddenSize)', () => {
    const { shape, data } = noise()
    expect(shape).toEqual([4, 2, 12, 32])
    const bound = 5 / Math.sqrt(21 * 32)
    const values = Array.from(data)
    const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
    expect(largest).toBeLessThanOrEqual(Math.fround(bound))
    expect(largest).toBeGreaterThan(0.99 * bound)
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value ** 2, 0) / values.length)
    expect(Math.abs(mean)).toBeLessThan(0.05 * bound)
    expect(deviation / (bound / Math.sqrt(3))).toBeCloseTo(1, 1)
  })

  it('grows with alpha and follows from seed and place alone', () => {
    expect(noise()).toEqual(noise())
    expect(noise({ alpha: 10 }).data[7]).toBeCloseTo(2 * noise().data[7]!, 6)
    for (const other of [
      noise({ seed: 2 }),
      noise({}, { update: 4, micro: 1, pass: 0 }),
      noise({}, { update: 3, micro: 0, pass: 0 }),
      noise({}, { update: 3, micro: 1, pass: 1 }),
    ]) {
      expect(other.data).not.toEqual(noise().data)
    }
  })
})

it('disturbs training and no validation', async () => {
  const model = smallModel()
  const rows = sequences(12)
  const plain = { ...supervisedTask(rows), heldOut: rows.slice(0, 5) }
  const validation = { every: 1, metric: 'eval_loss', keepBest: false }
  // The first update has rate 0: nothing has moved when the first evaluation comes.
  const once = { ...smallSettings, maxSteps: 2, warmup: 1, validation }
  const run = (task: typeof plain) =>
    trainAdapter(model, trainedAdapter(model), task, once, trainerContext(mkdtempSync(join(scratch, 'run-'))))
  const { log: quiet } = await run(plain)
  const { log: noisy } = await run({
    ...plain,
    disturb: (batch, _rows, at) => {
      const { hiddenSize } = model.config
      const noise = embeddingNoise(batch.layout, batch.layout.length, hiddenSize, { alpha: 15, seed: 0 }, at)
      return { ...batch, arrays: { ...batch.arrays, noise } }
    },
  })
  expect(noisy[1]).toEqual(quiet[1])
  expect(noisy[1]!.eval_loss).toBeGreaterThan(0)
  expect(Math.abs((noisy[0]!.loss as number) - (quiet[0]!.loss as number))).toBeGreaterThan(1e-3)
})
