/** @file Fifty updates as the backend `onnx` compiles them, against TensorFlow.js's own `cpu` backend, operator by operator. */
import '@tensorflow/tfjs-backend-cpu'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, it } from 'vitest'
import { tf } from '../../../lm/tensor/tf.ts'
import { trainAdapter } from '../../../lm/training/train-adapter.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'
import {
  freshAdapter,
  sequences,
  smallModel,
  smallSettings,
  supervisedTask,
  trainerContext,
} from './small-training.ts'

const scratch = mkdtempSync(join(tmpdir(), 'reference-backend-'))
afterAll(() => rmSync(scratch, { recursive: true }))

/** The log of 50 updates from a fresh adapter, on the current backend. */
async function train() {
  const model = smallModel()
  const settings = { ...smallSettings, epochs: 17, maxSteps: 50, learningRate: 1e-2 }
  const context = trainerContext(mkdtempSync(join(scratch, 'checkpoint-')))
  const { log } = await trainAdapter(
    model,
    freshAdapter(model),
    supervisedTask(sequences(12)),
    settings,
    context,
  )
  return log
}

it('losses and gradient norms agree', async () => {
  await startOnnxBackend()
  const compiled = await train()
  await tf.setBackend('cpu')
  const reference = await train()
  expect(reference.map(({ step }) => step)).toEqual(Array.from({ length: 50 }, (_, update) => update + 1))
  // It has learned enough for an error of one update to show in those that follow.
  expect(reference.at(-1)!.loss).toBeLessThan(0.6 * (reference[0]!.loss as number))
  reference.forEach((row, update) => {
    for (const name of ['loss', 'grad_norm']) {
      const expected = row[name] as number
      const difference = Math.abs((compiled[update]![name] as number) - expected)
      expect(difference / expected, `${name} of update ${update + 1}`).toBeLessThan(1e-5)
    }
  })
})
