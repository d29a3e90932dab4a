/** @file Validation during training: when it happens, what it measures, and what follows from it. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { LmFailure } from '../../../lm/failure.ts'
import type { Model } from '../../../lm/model/model.ts'
import type { LogRow } from '../../../lm/training/checkpoint.ts'
import { trainAdapter } from '../../../lm/training/train-adapter.ts'
import type {
  TrainerContext,
  TrainerProgress,
  TrainerSettings,
  TrainingTask,
} from '../../../lm/training/trainer.ts'
import { standing, type ValidationSettings } from '../../../lm/training/validation.ts'
import { largestDifference } from '../reference.ts'
import { startOnnxBackend } from '../start-onnx-backend.ts'
import {
  sequences,
  smallModel,
  smallSettings,
  supervisedTask,
  trainedAdapter,
  trainerContext,
} from './small-training.ts'

const scratch = mkdtempSync(join(tmpdir(), 'validation-'))
afterAll(() => rmSync(scratch, { recursive: true }))

let model: Model
beforeAll(async () => {
  await startOnnxBackend()
  model = smallModel()
})

const everyTwo: ValidationSettings = { every: 2, metric: 'eval_loss', keepBest: false }
const checkpointFolder = () => mkdtempSync(join(scratch, 'checkpoint-'))
/** Training rows are the first twelve; the lengths of the others differ, and the last of their batches is short. */
const all = sequences(19)
const task = { ...supervisedTask(all.slice(0, 12)), heldOut: all.slice(12) }

function train(
  settings: Partial<TrainerSettings>,
  context: Partial<TrainerContext> = {},
  what: TrainingTask<(typeof all)[number]> = task,
  checkpoint = checkpointFolder(),
) {
  const full = { ...smallSettings, epochs: 2, validation: everyTwo, ...settings }
  return trainAdapter(model, trainedAdapter(model), what, full, trainerContext(checkpoint, context))
}

const evaluations = (log: readonly LogRow[]) => log.filter((row) => 'eval_loss' in row)

describe('an evaluation', () => {
  it('comes every so many updates and after the last one', async () => {
    const { log } = await train({ maxSteps: 5 })
    expect(log.map(({ step }) => step)).toEqual([1, 2, 2, 3, 4, 4, 5, 5])
    expect(evaluations(log).map(({ step, epoch }) => [step, epoch])).toEqual([
      [2, 2 / 3],
      [4, 4 / 3],
      [5, 1 + 2 / 3],
    ])
    expect(Object.keys(evaluations(log)[0]!)).toEqual([
      'epoch',
      'step',
      'eval_loss',
      'eval_mean_token_accuracy',
      'eval_entropy',
    ])
  })

  it('comes after each epoch where no number is given, and before the first update where asked for', async () => {
    const { log } = await train({ validation: { ...everyTwo, every: undefined, atStart: true } })
    expect(evaluations(log).map(({ step, epoch }) => [step, epoch])).toEqual([
      [0, 0],
      [3, 1],
      [6, 2],
    ])
  })

  it('is the token mean over all held-out rows, whatever the batches', async () => {
    // A training whose one batch is the held-out rows logs, before it moves, their token mean.
    const whole = await train(
      { batchSize: 7, maxSteps: 2, warmup: 1, validation: undefined },
      {},
      {
        ...supervisedTask(all.slice(12)),
      },
    )
    for (const batchSize of [1, 3, 7]) {
      const { log } = await train({
        batchSize,
        maxSteps: 2,
        warmup: 1,
        validation: { ...everyTwo, atStart: true },
      })
      const [before] = evaluations(log)
      for (const name of ['loss', 'mean_token_accuracy', 'entropy']) {
        const [held, expected] = [before![`eval_${name}`] as number, whole.log[0]![name] as number]
        expect(Math.abs(held - expected) / Math.max(expected, 1e-3), name).toBeLessThan(1e-6)
      }
    }
  })

  it('leaves the training as it was, bit for bit', async () => {
    const [with_, without] = [await train({}), await train({ validation: undefined })]
    expect(with_.parameters).toEqual(without.parameters)
    expect(with_.log.filter((row) => 'loss' in row)).toEqual(without.log)
  })

  it('shows its progress', async () => {
    const shown: TrainerProgress[] = []
    await train({ maxSteps: 2 }, { progress: (progress) => shown.push(progress) })
    expect(shown.filter(({ note }) => note !== undefined)).toEqual([
      { step: 4, total: 7, unit: 'row', note: 'validation after step 2' },
      { step: 7, total: 7, unit: 'row', note: 'validation after step 2' },
    ])
  })

  it('ends the training where the held-out loss is no number', async () => {
    const nothing = { ids: [5, 6, 7], weights: [0, 0, 0] }
    const failure = await train({}, {}, { ...task, heldOut: [nothing] }).then(
      () => undefined,
      (error: LmFailure) => error,
    )
    expect(failure).toMatchObject({ code: 'not-a-number', message: 'the held-out loss is NaN at step 2' })
  })
})

describe('the best evaluation', () => {
  // The rate grows too large: the held-out loss rises again.
  const worsening = { learningRate: 0.1, epochs: 4, schedule: 'constant' as const }

  it('gives the parameters, not the last one', async () => {
    const kept = await train({ ...worsening, validation: { ...everyTwo, keepBest: true } })
    const losses = evaluations(kept.log).map(({ eval_loss }) => eval_loss as number)
    const best = losses.indexOf(Math.min(...losses))
    expect(best).toBeLessThan(losses.length - 1)
    const upToThere = await train({ ...worsening, maxSteps: 2 * (best + 1) })
    expect(kept.parameters).toEqual(upToThere.parameters)
    const last = await train(worsening)
    expect(largestDifference(last.parameters, kept.parameters)).toBeGreaterThan(1e-3)
    expect(last.log).toEqual(kept.log)
  })

  it('may be that of another column, the greater the better', async () => {
    const metric = 'eval_entropy'
    const kept = await train({ ...worsening, validation: { ...everyTwo, metric, keepBest: true } })
    const values = evaluations(kept.log).map((row) => row[metric] as number)
    const best = values.indexOf(Math.max(...values))
    expect(kept.parameters).toEqual((await train({ ...worsening, maxSteps: 2 * (best + 1) })).parameters)
  })

  it('ends the training once so many evaluations in a row were no better', async () => {
    const said: string[] = []
    const { log, steps } = await train(
      { ...worsening, epochs: 20, validation: { ...everyTwo, patience: 2 } },
      { log: (message) => said.push(message) },
    )
    const losses = evaluations(log).map(({ eval_loss }) => eval_loss as number)
    const best = losses.indexOf(Math.min(...losses))
    expect(losses).toHaveLength(best + 3)
    expect(steps).toBe(2 * losses.length)
    expect(said.at(-1)).toBe(
      `stopped after step ${steps}: 2 evaluations were no better than eval_loss ${losses[best]} at step ${2 * (best + 1)}`,
    )
  })
})

describe('the standing of the evaluations in a log', () => {
  const rows = (...values: number[]): LogRow[] =>
    values.map((value, index) => ({ step: index + 1, eval_loss: value, eval_accuracy: -value }))

  it('counts those that were no better since the best', () => {
    expect(standing([], { metric: 'eval_loss' })).toEqual({ best: undefined, worse: 0 })
    expect(standing(rows(3, 2, 2, 2.5), { metric: 'eval_loss' })).toEqual({
      best: { step: 2, value: 2 },
      worse: 2,
    })
    expect(standing(rows(3, 4, 2), { metric: 'eval_loss' }).worse).toBe(0)
  })

  it('takes the greater for the better where the name does not end in loss', () => {
    expect(standing(rows(3, 4, 2, 5), { metric: 'eval_accuracy' })).toEqual({
      best: { step: 3, value: -2 },
      worse: 1,
    })
  })

  it('counts a gain within the threshold as none, though it is the new best', () => {
    const settings = { metric: 'eval_loss', threshold: 0.5 }
    expect(standing(rows(3, 2.75, 2.5, 2), settings)).toEqual({ best: { step: 4, value: 2 }, worse: 3 })
    expect(standing(rows(3, 2.75, 2), settings)).toEqual({ best: { step: 3, value: 2 }, worse: 0 })
  })

  it('passes over an evaluation before the first update, and over updates', () => {
    const log = [{ step: 0, eval_loss: 1 }, { step: 1, loss: 0.5 }, ...rows(3)]
    expect(standing(log, { metric: 'eval_loss' })).toEqual({ best: { step: 1, value: 3 }, worse: 0 })
  })
})

describe('an interruption', () => {
  const settings: Partial<TrainerSettings> = {
    learningRate: 0.1,
    schedule: 'constant',
    epochs: 20,
    validation: { ...everyTwo, keepBest: true, patience: 2, atStart: true },
  }

  it('at any update and within any evaluation leaves the course as it was, bit for bit', async () => {
    const whole = await train(settings)
    // Every call of `progress` is interrupted once: each run takes one step further, or one batch of an evaluation.
    const checkpoint = checkpointFolder()
    const seen = new Set<string>()
    for (;;) {
      const controller = new AbortController()
      const progress = ({ step, note = 'update' }: TrainerProgress) => {
        const place = `${note} ${step}`
        if (seen.has(place)) return
        seen.add(place)
        controller.abort()
      }
      const run = train(settings, { signal: controller.signal, progress }, task, checkpoint)
      const result = await run.catch((error: Error) => {
        expect(error.name).toBe('AbortError')
      })
      if (result === undefined) continue
      expect(result.log).toEqual(whole.log)
      expect(result.parameters).toEqual(whole.parameters)
      expect(result.steps).toBe(whole.steps)
      break
    }
    expect(seen.size).toBe(whole.steps + 2 * evaluations(whole.log).length)
  })
})
