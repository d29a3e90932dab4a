/**
 * @file Evaluation on held-out rows during training: when it is due, what it measures, and what follows from it. All
 * that follows is read off the log, so that a resumed training follows the same course.
 */
import type { LayoutSettings } from '../batches/layout.ts'
import type { DecoderConfig } from '../model/config.ts'
import type { LogRow } from './checkpoint.ts'
import type { Learner } from './learner.ts'
import { notANumber } from './not-a-number.ts'
import { longestOf, planPasses } from './passes.ts'
import type { TrainingTask } from './trainer.ts'

export interface ValidationSettings {
  /** Updates between evaluations; after each epoch where undefined. The last update is always followed by one. */
  readonly every: number | undefined
  /** Also before the first update. @default false */
  readonly atStart?: boolean | undefined
  /** Column that says which evaluation is best; the lower the better where its name ends in `loss`. */
  readonly metric: string
  /** Whether the training ends with the parameters of the best evaluation instead of the last. */
  readonly keepBest: boolean
  /** Ends the training after so many evaluations in a row that were no better. @default never */
  readonly patience?: number | undefined
  /** What an evaluation must be better by to count as better to `patience`. @default 0 */
  readonly threshold?: number | undefined
}

export function isEvaluationDue(
  step: number,
  total: number,
  updatesAnEpoch: number,
  { every = updatesAnEpoch, atStart = false }: ValidationSettings,
): boolean {
  if (step === 0) return atStart
  return step % every === 0 || step === total
}

/** How held-out rows are measured, the same at each evaluation. */
export interface EvaluationPlan<Row> {
  readonly rows: readonly Row[]
  /** Rows that are computed together. */
  readonly parts: readonly (readonly Row[])[]
  readonly layout: LayoutSettings
}

/** Rows of like length share a batch. */
export function planEvaluation<Row>(
  task: Pick<TrainingTask<Row>, 'sequencesOf' | 'separable' | 'bySequence'>,
  rows: readonly Row[],
  batchSize: number,
  config: DecoderConfig,
): EvaluationPlan<Row> {
  const ordered = [...rows].sort((a, b) => longestOf(task, a) - longestOf(task, b))
  const batches = Array.from({ length: Math.ceil(ordered.length / batchSize) }, (_, index) =>
    ordered.slice(index * batchSize, (index + 1) * batchSize),
  )
  const { sequencesOf, separable, bySequence = false } = task
  const passes = planPasses({ sequencesOf, separable, bySequence }, batches, config)
  return { rows, parts: batches.flatMap(passes.of), layout: passes.layout }
}

/**
 * Loss and metrics over all rows, each row's share as large as if they were one batch: `eval_loss` and so on.
 * @param onPart called after each part with the rows done so far
 * @throws LmFailure `not-a-number`
 */
export async function evaluate<Row>(
  task: Pick<TrainingTask<Row>, 'collate' | 'columns'>,
  { rows, parts, layout }: EvaluationPlan<Row>,
  learner: Learner,
  onPart: (done: number) => Promise<void>,
): Promise<Record<string, number>> {
  const sums: Record<string, number> = {}
  let loss = 0
  let done = 0
  for (const part of parts) {
    const measured = learner.measure(task.collate(part, rows, layout))
    loss += measured.loss
    for (const [name, value] of Object.entries(measured.metrics)) sums[name] = (sums[name] ?? 0) + value
    done += part.length
    await onPart(done)
  }
  if (!Number.isFinite(loss)) throw notANumber('held-out loss', loss, learner.updates)
  const columns = Object.entries({ loss, ...task.columns(sums, rows) })
  return Object.fromEntries(columns.map(([name, value]) => [`eval_${name}`, value]))
}

export interface Standing {
  /** Undefined before the first evaluation; one before the first update is no candidate. */
  readonly best: { readonly step: number; readonly value: number } | undefined
  /** Evaluations since that were no better, by more than the threshold, than the best before them. */
  readonly worse: number
}

/** How the evaluations in a log stand, as transformers' EarlyStoppingCallback counts them. */
export function standing(
  log: readonly LogRow[],
  { metric, threshold = 0 }: Pick<ValidationSettings, 'metric' | 'threshold'>,
): Standing {
  const sign = metric.endsWith('loss') ? -1 : 1
  let best: Standing['best']
  let worse = 0
  for (const { [metric]: value, step } of log) {
    if (typeof value !== 'number' || step === 0) continue
    const gain = best === undefined ? Number.POSITIVE_INFINITY : sign * (value - best.value)
    worse = gain > threshold ? 0 : worse + 1
    if (gain > 0) best = { step: step as number, value }
  }
  return { best, worse }
}
