/** @file The training loop: what an update is made of, what it refuses to pass off as training, and what it leaves. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Sequence } from '../../../lm/batches/sequence.ts'
import type { Model } from '../../../lm/model/model.ts'
import { tf } from '../../../lm/tensor/tf.ts'
import { loadTrainerState } from '../../../lm/training/checkpoint.ts'
import { supervised } from '../../../lm/training/objectives/supervised.ts'
import { trainAdapter } from '../../../lm/training/train-adapter.ts'
import type { TrainerContext, TrainerSettings, TrainingTask } from '../../../lm/training/trainer.ts'
import { rejectionOf } from '../failure-of.ts'
import { largestDifference } from '../reference.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'
import {
  freshAdapter,
  sequences,
  smallModel,
  smallSettings,
  supervisedTask,
  trainedAdapter,
  trainerContext,
} from './small-training.ts'

const scratch = mkdtempSync(join(tmpdir(), 'trainer-'))
afterAll(() => rmSync(scratch, { recursive: true }))

let model: Model
beforeAll(async () => {
  await startOnnxBackend()
  model = smallModel()
})

const checkpointFolder = () => mkdtempSync(join(scratch, 'checkpoint-'))

function train(
  settings: Partial<TrainerSettings>,
  task: TrainingTask<Sequence> = supervisedTask(sequences(12)),
  context: TrainerContext = trainerContext(checkpointFolder()),
) {
  return trainAdapter(model, trainedAdapter(model), task, { ...smallSettings, ...settings }, context)
}

describe('an update', () => {
  it('is logged with its own learning rate, epoch, norm and tokens', async () => {
    const { log, steps } = await train({ warmup: 2, epochs: 2, batchSize: 5 })
    expect(steps).toBe(6)
    expect(log.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6])
    expect(log.map(({ epoch }) => epoch)).toEqual([1 / 3, 2 / 3, 1, 1 + 1 / 3, 1 + 2 / 3, 2])
    expect(log.map(({ learning_rate }) => learning_rate)).toEqual([0, 0.5e-3, 1e-3, 0.75e-3, 0.5e-3, 0.25e-3])
    const tokens = sequences(12).reduce((sum, { ids }) => sum + ids.length, 0)
    expect(log.slice(0, 3).reduce((sum, row) => sum + (row.tokens as number), 0)).toBe(tokens)
    expect(log.at(-1)!.num_tokens).toBe(2 * tokens)
    for (const row of log) expect(row.grad_norm).toBeGreaterThan(0)
  })

  it('comes from the last, shorter accumulation too', async () => {
    // 12 rows: six micro-batches, two updates of four and of two.
    const { log } = await train({ epochs: 1, batchSize: 2, accumulation: 4 })
    expect(log.map(({ epoch }) => epoch)).toEqual([2 / 3, 1])
  })

  it('ends the training early after `maxSteps`, which the schedule knows', async () => {
    const { log, steps } = await train({ maxSteps: 4, epochs: 9 })
    expect(steps).toBe(4)
    expect(log.map(({ learning_rate }) => learning_rate)).toEqual([1e-3, 0.75e-3, 0.5e-3, 0.25e-3])
  })

  it('is the same whatever micro-batches it is accumulated from', async () => {
    const whole = { shuffle: false, epochs: 2, learningRate: 1e-4 }
    // 11 rows: updates of eight and of three sequences.
    const task = supervisedTask(sequences(11))
    const one = await train({ ...whole, batchSize: 8, accumulation: 1 }, task)
    for (const batchSize of [1, 2, 4]) {
      const many = await train({ ...whole, batchSize, accumulation: 8 / batchSize }, task)
      many.log.forEach((row, index) => {
        for (const name of ['loss', 'grad_norm', 'mean_token_accuracy', 'entropy']) {
          const expected = one.log[index]![name] as number
          expect(Math.abs((row[name] as number) - expected) / Math.max(expected, 1e-3), name).toBeLessThan(
            1e-6,
          )
        }
      })
      expect(largestDifference(many.parameters, one.parameters)).toBeLessThan(1e-6)
    }
  })

  it('clips: with a smaller norm the same direction, at the first update', async () => {
    const sgdLike = { ...smallSettings.optimizer, beta1: 0, beta2: 0, epsilon: 1e3 }
    const once = (maxGradientNorm: number) =>
      train({ maxSteps: 1, optimizer: { ...sgdLike, maxGradientNorm }, learningRate: 1e3 })
    const [free, clipped] = [await once(0), await once(0.01)]
    const norm = free.log[0]!.grad_norm as number
    expect(clipped.log[0]!.grad_norm).toBe(norm)
    const start = [...trainedAdapter(model).matrices.values()].flatMap(({ data }) => [...data])
    const moves = (run: typeof free) => start.map((before, index) => run.parameters[index]! - before)
    const shrunk = moves(free).map((move) => (move * 0.01) / (norm + 1e-6))
    const largest = Math.max(...shrunk.map(Math.abs))
    expect(largestDifference(moves(clipped), shrunk) / largest).toBeLessThan(1e-3)
  })
})

describe('the same settings', () => {
  it('give the same bits, another seed others', async () => {
    const [first, again, other] = [await train({}), await train({}), await train({ seed: 1 })]
    expect(Buffer.from(again.parameters.buffer).equals(Buffer.from(first.parameters.buffer))).toBe(true)
    expect(again.log).toEqual(first.log)
    expect(other.parameters).not.toEqual(first.parameters)
    expect(freshAdapter(model, 1).matrices).not.toEqual(freshAdapter(model, 0).matrices)
    expect(freshAdapter(model, 1).matrices).toEqual(freshAdapter(model, 1).matrices)
  })
})

describe('a training that trained nothing', () => {
  it('is an error where no update happens', async () => {
    expect(await rejectionOf(train({}, supervisedTask([])))).toMatchObject({
      code: 'no-optimizer-step',
      message: expect.stringContaining('0 rows'),
    })
  })

  it('is an error where no parameter received a gradient', async () => {
    const silent = supervisedTask(sequences(8), (scores, batch) => {
      const { loss, metrics } = supervised(scores, batch)
      return { loss: tf.mul(loss, 0), metrics }
    })
    expect(await rejectionOf(train({}, silent))).toMatchObject({
      code: 'no-gradient',
      hint: expect.stringContaining('signal'),
    })
  })

  it('is an error where every update lies in the warm-up', async () => {
    expect(await rejectionOf(train({ maxSteps: 1, warmup: 1 }))).toMatchObject({
      code: 'nothing-moved',
      hint: expect.stringContaining('warm-up'),
    })
  })

  it('is an error where the rate is too small to move a float32', async () => {
    expect(await rejectionOf(train({ learningRate: 1e-30 }))).toMatchObject({ code: 'nothing-moved' })
  })
})

describe('a loss or a gradient that is no number', () => {
  const scaled = (factor: number) =>
    supervisedTask(sequences(8), (scores, batch) => {
      const { loss, metrics } = supervised(scores, batch)
      return { loss: tf.mul(loss, factor), metrics }
    })

  it('ends the training before it spoils the parameters', async () => {
    const failure = await rejectionOf(train({}, scaled(Number.POSITIVE_INFINITY)))
    expect(failure).toMatchObject({ code: 'not-a-number', message: 'the loss is Infinity at step 1' })
  })

  it('ends it in the last update as well, where no later loss would show it', async () => {
    // A finite loss whose gradient overflows: sqrt at 0.
    const task = supervisedTask(sequences(4), (scores, batch) => {
      const { loss, metrics } = supervised(scores, batch)
      return { loss: tf.sqrt(tf.sub(loss, loss)), metrics }
    })
    const checkpoint = checkpointFolder()
    const failure = await rejectionOf(train({ maxSteps: 1 }, task, trainerContext(checkpoint)))
    expect(failure).toMatchObject({
      code: 'not-a-number',
      message: expect.stringMatching(/^the gradient is/),
    })
    expect(loadTrainerState(checkpoint)).toBeUndefined()
  })
})

describe('an interrupted training', () => {
  it('leaves a checkpoint and goes on from it bit for bit, wherever it stopped', async () => {
    const settings = { epochs: 2, batchSize: 4, accumulation: 2, warmup: 1 }
    const whole = await train(settings)
    expect(whole.steps).toBe(4)
    for (let last = 1; last <= 4; last++) {
      const checkpoint = checkpointFolder()
      const controller = new AbortController()
      const aborting = trainerContext(checkpoint, {
        signal: controller.signal,
        progress: ({ step }) => step === last && controller.abort(),
      })
      await expect(train(settings, undefined, aborting)).rejects.toMatchObject({ name: 'AbortError' })
      expect(loadTrainerState(checkpoint)?.step).toBe(last)
      const said: string[] = []
      const steps: number[] = []
      const resumed = await train(
        settings,
        undefined,
        trainerContext(checkpoint, {
          log: (message) => said.push(message),
          progress: ({ step }) => steps.push(step),
        }),
      )
      expect(said[0]).toBe(`resuming after step ${last} of 4`)
      expect(steps).toEqual([1, 2, 3, 4].slice(last))
      expect(Buffer.from(resumed.parameters.buffer).equals(Buffer.from(whole.parameters.buffer))).toBe(true)
      expect(resumed.log).toEqual(whole.log)
    }
  })
})

describe('the memory of a training', () => {
  it('is given back, whether it ends well, is interrupted or fails', async () => {
    await train({ maxSteps: 1 })
    const before = tf.memory().numTensors
    await train({})
    expect(tf.memory().numTensors).toBe(before)
    const controller = new AbortController()
    const context = trainerContext(checkpointFolder(), {
      signal: controller.signal,
      progress: () => controller.abort(),
    })
    await expect(train({}, undefined, context)).rejects.toThrow()
    expect(tf.memory().numTensors).toBe(before)
    await rejectionOf(train({ maxSteps: 1, warmup: 1 }))
    expect(tf.memory().numTensors).toBe(before)
  })
})
