/**
 * @file Which shapes to compile for a whole course of passes: each spares padding, and costs as much as some passes do.
 */
import type { DecoderConfig } from '../model/config.ts'
import { compileCost, type PassShape, passCost } from './cost.ts'

/**
 * Joins shapes two by two, as long as that costs less than what it saves to compile.
 * @param needed the shape of each pass
 */
export function planShapes(needed: readonly PassShape[], config: DecoderConfig): PassShape[] {
  const counts = new Map<string, Planned>()
  for (const { rows, length, slots } of needed) {
    const key = `${rows} ${length} ${slots}`
    const shape = { rows, length, slots }
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
        const gain = compileCost(config) + one.cost + other.cost - cost
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
  return {
    rows: Math.max(a.rows, b.rows),
    length: Math.max(a.length, b.length),
    slots: Math.max(a.slots, b.slots),
  }
}
