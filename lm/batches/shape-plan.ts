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
  const cost = (shape: PassShape) => passCost(config, shape)
  const counts = new Map<string, { readonly shape: PassShape; uses: number }>()
  for (const { rows, length, slots } of needed) {
    const key = `${rows} ${length} ${slots}`
    const known = counts.get(key) ?? { shape: { rows, length, slots }, uses: 0 }
    counts.set(key, known)
    known.uses++
  }
  const planned = [...counts.values()]
  for (;;) {
    let best:
      | { readonly a: number; readonly b: number; readonly shape: PassShape; readonly gain: number }
      | undefined
    planned.forEach((one, a) => {
      for (let b = a + 1; b < planned.length; b++) {
        const other = planned[b]!
        const shape = joined(one.shape, other.shape)
        const both = cost(shape)
        const more = one.uses * (both - cost(one.shape)) + other.uses * (both - cost(other.shape))
        const gain = compileCost(config) - more
        if (gain > (best?.gain ?? 0)) best = { a, b, shape, gain }
      }
    })
    if (best === undefined) return planned.map(({ shape }) => shape)
    const { a, b, shape } = best
    const [other] = planned.splice(b, 1)
    planned[a] = { shape, uses: planned[a]!.uses + other!.uses }
  }
}

/** Large enough for both. */
function joined(a: PassShape, b: PassShape): PassShape {
  return {
    rows: Math.max(a.rows, b.rows),
    length: Math.max(a.length, b.length),
    slots: Math.max(a.slots, b.slots),
  }
}
