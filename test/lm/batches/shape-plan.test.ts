/** @file How much of a course of passes is padding, and how many shapes it compiles. */
import { describe, expect, it } from 'vitest'
import { inPasses } from '../../../lm/batches/in-passes.ts'
import { candidates, layOut } from '../../../lm/batches/layout.ts'
import { planForms, planShapes } from '../../../lm/batches/shape-plan.ts'
import type { DecoderConfig } from '../../../lm/model/config.ts'
import { createRandom } from '../../../lm/random.ts'
import { referenceConfig } from '../reference.ts'

/** The sizes of a model of 135 million parameters. */
const config: DecoderConfig = {
  ...referenceConfig('llama'),
  vocabularySize: 49152,
  hiddenSize: 576,
  layers: 30,
  heads: 9,
  keyValueHeads: 3,
  headSize: 64,
  intermediateSize: 1536,
}

/** Lengths as instructions have them: a system prompt, most of them short, the longest cut. */
function texts(count: number, longest: number): number[][] {
  const random = createRandom('texts')
  const system = Array.from({ length: 24 }, (_, each) => each)
  return Array.from({ length: count }, () => {
    const length = Math.min(longest, 12 + Math.round(Math.exp(4.8 + 0.9 * random.normal())))
    return [...system, ...Array.from({ length }, () => random.integer(30, 40_000))].slice(0, longest)
  })
}

const rows = texts(80, 255)
const batches = Array.from({ length: 20 }, (_, each) => rows.slice(4 * each, 4 * each + 4))
/** Labels of a row. */
const labels = (ids: readonly number[]) => Math.max(1, ids.length - 40)
const counted = (pass: readonly (readonly number[])[]) => pass.reduce((sum, ids) => sum + labels(ids), 0)
/** What the model reads is the row, what follows it is a label. */
const sequenceOf = (ids: readonly number[]) => ({
  ids: [...ids, 0],
  weights: Array.from({ length: ids.length + 1 }, (_, place) => (place > ids.length - labels(ids) ? 1 : 0)),
})

const passesOf = (sharing: boolean) =>
  batches.flatMap((batch) => inPasses(batch, (ids) => [sequenceOf(ids)], config, sharing))

function course(sharing: boolean) {
  const passes = passesOf(sharing)
  const needed = passes.map((pass) => layOut(pass, counted(pass), { config, sharing, steps: 16 }))
  const shapes = planShapes(needed, config)
  return {
    passes,
    shapes,
    layouts: passes.map((pass) => layOut(pass, counted(pass), { config, sharing, shapes })),
  }
}

/** The same where sizes are open. */
function openCourse(sharing: boolean) {
  const passes = passesOf(sharing)
  const offered = passes.map((pass) => candidates(pass, counted(pass), { config, sharing, forms: 'any' }))
  const forms = planForms(offered, config)
  return {
    passes,
    forms,
    layouts: passes.map((pass) => layOut(pass, counted(pass), { config, sharing, forms })),
  }
}

describe('a course of passes', () => {
  it.each([true, false])(
    'has less than a tenth of padding in few graphs where sizes are open (sharing %s)',
    (sharing) => {
      const { layouts, forms } = openCourse(sharing)
      const places = layouts.reduce((sum, { rows: count, length }) => sum + count * length, 0)
      const occupied = layouts.reduce((sum, each) => sum + each.occupied, 0)
      expect(1 - occupied / places).toBeLessThan(0.1)
      expect(forms.length).toBeLessThanOrEqual(3)
      for (const { rows: count, length, querySpans } of layouts) {
        expect(forms).toContainEqual({ rows: count, querySpans })
        expect(length % querySpans).toBe(0)
      }
    },
  )

  it.each([true, false])('has less than a tenth of padding in few shapes (sharing %s)', (sharing) => {
    const { layouts } = course(sharing)
    const places = layouts.reduce((sum, { rows: count, length }) => sum + count * length, 0)
    const occupied = layouts.reduce((sum, each) => sum + each.occupied, 0)
    expect(1 - occupied / places).toBeLessThan(0.1)
    const shapes = new Set(layouts.map(({ rows: count, length, slots }) => `${count} ${length} ${slots}`))
    expect(shapes.size).toBeLessThanOrEqual(8)
    const tokens = rows.reduce((sum, { length }) => sum + length, 0)
    if (sharing) expect(occupied).toBeLessThan(0.95 * tokens)
    else expect(occupied).toBe(tokens)
  })

  it.each([course, openCourse])('holds every row once, and every label (%o)', (laidOut) => {
    const { passes, layouts } = laidOut(true)
    expect(passes.flat().toSorted((a, b) => rows.indexOf(a) - rows.indexOf(b))).toEqual(rows)
    passes.forEach((pass, index) => {
      const { places, slots, rows: count, length } = layouts[index]!
      expect(slots).toBeGreaterThanOrEqual(counted(pass))
      // Tokens at one place are one token.
      const found = new Map<number, number>()
      pass.forEach((ids, each) => {
        expect(places[each]).toHaveLength(ids.length)
        places[each]!.forEach((place, position) => {
          expect(place).toBeLessThan(count * length)
          expect(found.get(place) ?? ids[position]).toBe(ids[position])
          found.set(place, ids[position]!)
        })
      })
    })
  })

  it('is the same for the same rows', () => {
    expect(course(true)).toEqual(course(true))
    expect(openCourse(true)).toEqual(openCourse(true))
  })

  it('keeps a shape apart only where enough passes have it', () => {
    const needed = (uses: number) => [
      ...Array.from({ length: uses }, () => ({ rows: 1, length: 64, querySpans: 1, slots: 32 })),
      { rows: 1, length: 256, querySpans: 1, slots: 128 },
    ]
    expect(planShapes(needed(1), config)).toEqual([{ rows: 1, length: 256, querySpans: 1, slots: 128 }])
    expect(planShapes(needed(20), config)).toHaveLength(2)
  })
})
