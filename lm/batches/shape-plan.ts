/**
 * @file Which graphs to compile for a whole course of passes: each spares padding, and costs as much as some passes do.
 */
import { spanCount } from '../model/attention.ts'
import type { DecoderConfig } from '../model/config.ts'
import { leavesSizesOpen } from '../tensor/jit.ts'
import { compileCost, type PassShape, passCost } from './cost.ts'
import type { Candidate, LayoutSettings, PassForm } from './layout.ts'
import type { Sequence } from './sequence.ts'
import { candidatesOf, rowsOf } from './token-batch.ts'

/**
 * The graphs that a course of passes is laid out for, on the device that is in use.
 * @param passes the sequences of each
 */
export function planGraphs(
  passes: readonly (readonly Sequence[])[],
  config: DecoderConfig,
  sharing: boolean,
): LayoutSettings {
  const settings = { config, sharing }
  if (!leavesSizesOpen()) {
    const needed = passes.map((sequences) => rowsOf(sequences, { ...settings, steps: 16 }))
    return { ...settings, shapes: planShapes(needed, config) }
  }
  const offered = passes.map((sequences) => candidatesOf(sequences, { ...settings, forms: 'any' }))
  return { ...settings, forms: passes.length === 0 ? 'any' : planForms(offered, config) }
}

/** The same for passes that nobody knows beforehand. */
export function unplanned(config: DecoderConfig, sharing: boolean): LayoutSettings {
  return { config, sharing, forms: leavesSizesOpen() ? 'any' : undefined }
}

/**
 * Where sizes are open: leaves out forms one by one, as long as that costs less than what it saves to compile.
 * @param passes the layouts that each pass may have
 */
export function planForms(passes: readonly (readonly Candidate[])[], config: DecoderConfig): PassForm[] {
  const keyOf = ({ rows, querySpans }: PassForm) => `${rows} ${querySpans}`
  const costs = passes.map((offered) => new Map(offered.map(({ shape, cost }) => [keyOf(shape), cost])))
  const cheapest = passes.map((offered) =>
    offered.reduce((best, each) => (each.cost < best.cost ? each : best)),
  )
  const forms = new Map(
    cheapest.map(({ shape }): [string, PassForm] => {
      const { rows, querySpans } = shape
      return [keyOf(shape), { rows, querySpans }]
    }),
  )
  const totalOf = (keys: readonly string[]) =>
    costs.reduce(
      (sum, known) => sum + Math.min(...keys.map((key) => known.get(key) ?? Number.POSITIVE_INFINITY)),
      keys.length * compileCost(config, true),
    )
  let total = totalOf([...forms.keys()])
  for (;;) {
    const without = [...forms.keys()].map((left) => ({
      left,
      total: totalOf([...forms.keys()].filter((key) => key !== left)),
    }))
    const best = without.reduce((best, each) => (each.total < best.total ? each : best))
    if (best.total >= total) return [...forms.values()]
    forms.delete(best.left)
    total = best.total
  }
}

/**
 * Elsewhere: joins shapes two by two, as long as that costs less than what it saves to compile.
 * @param needed the shape of each pass
 */
export function planShapes(needed: readonly PassShape[], config: DecoderConfig): PassShape[] {
  const counts = new Map<string, Planned>()
  for (const { rows, length, slots } of needed) {
    const key = `${rows} ${length} ${slots}`
    const shape = { rows, length, querySpans: spanCount(length), slots }
    const uses = (counts.get(key)?.uses ?? 0) + 1
    counts.set(key, { shape, uses, cost: uses * passCost(config, shape) })
  }
  const planned = [...counts.values()]
  for (;;) {
    let best:
      | { readonly a: number; readonly b: number; readonly both: Planned; readonly gain: number }
      | undefined
    planned.forEach((one, a) => {
      for (let b = a + 1; b < planned.length; b++) {
        const other = planned[b]!
        const shape = joined(one.shape, other.shape)
        const uses = one.uses + other.uses
        const cost = uses * passCost(config, shape)
        const gain = compileCost(config, false) + one.cost + other.cost - cost
        if (gain > (best?.gain ?? 0)) best = { a, b, both: { shape, uses, cost }, gain }
      }
    })
    if (best === undefined) return planned.map(({ shape }) => shape)
    planned[best.a] = best.both
    planned.splice(best.b, 1)
  }
}

interface Planned {
  readonly shape: PassShape
  /** Passes of it. */
  readonly uses: number
  /** Of all of them. */
  readonly cost: number
}

/** Large enough for both. */
function joined(a: PassShape, b: PassShape): PassShape {
  const length = Math.max(a.length, b.length)
  return {
    rows: Math.max(a.rows, b.rows),
    length,
    querySpans: spanCount(length),
    slots: Math.max(a.slots, b.slots),
  }
}
