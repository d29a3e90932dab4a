/** @file Several data sets as one: in which order their rows come, and which weights are refused. */
import { describe, expect, it } from 'vitest'
import { checkMix, interleave, joinSets, type MixParams } from '../../stages/training/mix.ts'
import { failureOf } from './run-stage.ts'

const rows = (label: string, count: number) => Array.from({ length: count }, (_, row) => `${label}${row}`)
const firstExhausted: MixParams = { mix: { a: 3, b: 1 }, mix_strategy: 'first_exhausted', seed: 1 }
const allExhausted: MixParams = { ...firstExhausted, mix_strategy: 'all_exhausted' }
const sets = { a: rows('a', 400), b: rows('b', 40) }
const ofB = (joined: readonly string[]) => joined.filter((row) => row.startsWith('b'))

describe('without weights', () => {
  it('sets are joined, one after another', () => {
    const joined = joinSets({ a: rows('a', 2), b: rows('b', 1) }, { ...allExhausted, mix: undefined })
    expect(joined).toEqual(['a0', 'a1', 'b0'])
  })
})

describe('with weights', () => {
  it('rows are drawn as often as these say, each set in its own order', () => {
    const joined = joinSets(sets, firstExhausted)
    expect(ofB(joined)).toEqual(rows('b', ofB(joined).length))
    expect(joined.filter((row) => row.startsWith('a'))).toEqual(rows('a', joined.length - ofB(joined).length))
    // The smaller set ends it, after about 160 draws; the share of its rows has a deviation of 0.034.
    expect(ofB(joined)).toHaveLength(40)
    expect(Math.abs(40 / joined.length - 0.25)).toBeLessThan(0.1)
  })

  it('that do not sum to 1 mean their shares', () => {
    expect(joinSets(sets, { ...firstExhausted, mix: { a: 0.75, b: 0.25 } })).toEqual(
      joinSets(sets, firstExhausted),
    )
  })

  it('all_exhausted goes on until every set was used up, beginning anew with the others', () => {
    const joined = joinSets(sets, allExhausted)
    expect(new Set(joined).size).toBe(440)
    expect(joined.at(-1)).toBe('a399')
    expect(ofB(joined).slice(0, 80)).toEqual([...rows('b', 40), ...rows('b', 40)])
  })

  it('the order follows from the seed', () => {
    expect(joinSets(sets, firstExhausted)).toEqual(joinSets(sets, firstExhausted))
    expect(joinSets(sets, { ...firstExhausted, seed: 2 })).not.toEqual(joinSets(sets, firstExhausted))
  })

  it('a set without rows is left out', () => {
    expect(joinSets({ a: rows('a', 3), b: [] }, firstExhausted)).toEqual(rows('a', 3))
    expect(joinSets({ a: [], b: [] }, firstExhausted)).toEqual([])
  })

  it('that would draw for ever are refused', async () => {
    const drawn = Promise.resolve().then(() => joinSets(sets, { ...allExhausted, mix: { a: 1, b: 1e-9 } }))
    expect(await failureOf(drawn)).toMatchObject({ code: 'invalid-parameter' })
  })
})

it('interleaves by the draws it is given', () => {
  const draws = [0, 1, 1, 0, 1, 0, 0]
  const place = ({ set, row }: { set: number; row: number }) => `${set}:${row}`
  const order = (strategy: MixParams['mix_strategy']) => {
    const left = [...draws]
    return interleave([3, 2], () => left.shift()!, strategy).map(place)
  }
  expect(order('first_exhausted')).toEqual(['0:0', '1:0', '1:1'])
  expect(order('all_exhausted')).toEqual(['0:0', '1:0', '1:1', '0:1', '1:0', '0:2'])
})

describe('weights and labels', () => {
  const check = (mix: Record<string, number> | undefined, ...labels: string[]) =>
    failureOf(Promise.resolve().then(() => checkMix({ mix }, labels)))

  it('must be the same', async () => {
    expect(await check({ a: 1, c: 1 }, 'a', 'b')).toMatchObject({
      code: 'invalid-parameter',
      message: '`mix` names `c`, which is no data set of the input `data`',
      hint: 'give each of a, b a weight',
    })
    expect(await check({ a: 1 }, 'a', 'b')).toMatchObject({
      message: '`mix` gives no weight for the data set `b`',
    })
    checkMix({ mix: { b: 1, a: 2 } }, ['a', 'b'])
    checkMix({ mix: undefined }, ['a', 'b'])
  })
})
