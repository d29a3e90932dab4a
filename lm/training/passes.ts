/**
 * @file The passes in which a course of micro-batches is computed. Their shapes are planned for the whole course before
 * it begins, from its rows and settings alone: what was compiled before, or where a training resumes, makes no
 * difference.
 */

import { compileCost, passCost } from '../batches/cost.ts'
import { inPasses } from '../batches/in-passes.ts'
import type { LayoutSettings, RowLayout } from '../batches/layout.ts'
import { recomputation } from '../batches/recomputation.ts'
import { planGraphs } from '../batches/shape-plan.ts'
import { rowsOf } from '../batches/token-batch.ts'
import type { DecoderConfig } from '../model/config.ts'
import type { Recompute } from '../model/decoder.ts'
import type { TrainingTask } from './trainer.ts'

type PassedTask<Row> = Pick<TrainingTask<Row>, 'sequencesOf' | 'separable' | 'bySequence' | 'disturb'>

export interface Passes<Row> {
  /** The rows of a micro-batch by pass. */
  of(rows: readonly Row[]): Row[][]
  readonly layout: LayoutSettings
  readonly recompute: Recompute
  /** For the log: how many passes and graphs, how much of them is padding. */
  readonly summary: string
}

interface Plan<Row> extends Pick<Passes<Row>, 'of' | 'layout'> {
  readonly passes: readonly (readonly Row[])[]
  readonly planned: readonly RowLayout[]
  readonly cost: number
}

/** Tokens of a row's longest sequence. */
export function longestOf<Row>({ sequencesOf }: Pick<TrainingTask<Row>, 'sequencesOf'>, row: Row): number {
  return Math.max(...sequencesOf(row).map(({ ids }) => ids.length))
}

/** Micro-batches to plan from: a longer course goes on with those shapes, and a shorter one begins alike. */
const plannedMicroBatches = 100

/** @param course the micro-batches of an epoch */
export function planPasses<Row>(
  task: PassedTask<Row>,
  course: readonly (readonly Row[])[],
  config: DecoderConfig,
): Passes<Row> {
  // What is dropped, or noise, is each sequence's own.
  const sharing = task.disturb === undefined
  const begun = course.slice(0, plannedMicroBatches)
  const plan = (most?: number): Plan<Row> => {
    const of = (rows: readonly Row[]) =>
      task.separable ? inPasses(rows, task.sequencesOf, config, sharing, most) : [[...rows]]
    const passes = begun.flatMap(of)
    const sequences = passes.map((rows) => rows.flatMap(task.sequencesOf))
    const layout = planGraphs(sequences, config, sharing)
    const planned = sequences.map((each) => rowsOf(each, layout))
    const counts = new Set(task.bySequence ? sequences.map(({ length }) => length) : [])
    const cost =
      planned.reduce((sum, shape) => sum + passCost(config, shape), 0) +
      counts.size * compileCost(config, layout.forms !== undefined)
    return { of, passes, layout, planned, cost }
  }
  // Fewer numbers of rows a pass are fewer graphs, and more passes.
  const free = plan()
  const mosts = task.bySequence && task.separable ? new Set(free.passes.map(({ length }) => length)) : []
  const plans = [free, ...[...mosts].map((most) => plan(most))]
  const { of, passes, layout, planned } = plans.reduce((best, each) => (each.cost < best.cost ? each : best))
  const occupied = planned.reduce((sum, each) => sum + each.occupied, 0)
  const places = planned.reduce((sum, { rows, length }) => sum + rows * length, 0)
  const graphs = new Set(
    planned.map(({ rows, length, querySpans, slots }) =>
      layout.forms === undefined ? `${rows} ${length} ${slots}` : `${rows} ${querySpans}`,
    ),
  )
  const padding = (100 * (1 - occupied / places)).toFixed(1)
  return {
    of,
    layout,
    recompute: recomputation(config, planned),
    summary: `${passes.length} passes, ${graphs.size === 1 ? 'one graph' : `${graphs.size} graphs`}, ${padding}% padding`,
  }
}
