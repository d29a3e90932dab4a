import { describe, expect, it } from 'vitest'
import { createRandom } from '../../lm/random.ts'

describe('createRandom', () => {
  it('is the same on every machine', () => {
    const random = createRandom(7)
    expect([random.word(), random.word(), random.word()]).toMatchInlineSnapshot(`
      [
        259707744,
        3726498257,
        3851294846,
      ]
    `)
  })

  it('takes a number and its text for the same seed, and different seeds for different ones', () => {
    expect(createRandom(7).next()).toBe(createRandom('7').next())
    expect(createRandom(7).next()).not.toBe(createRandom(8).next())
  })

  it('goes on from a restored state as if nothing had happened', () => {
    const random = createRandom('a')
    random.normal()
    const state = random.state()
    const expected = [random.next(), random.integer(1, 6), random.normal()]
    const resumed = createRandom('b')
    resumed.restore(JSON.parse(JSON.stringify(state)))
    expect([resumed.next(), resumed.integer(1, 6), resumed.normal()]).toEqual(expected)
  })

  it('draws whole numbers evenly, both ends included', () => {
    const random = createRandom(1)
    const counts = new Map<number, number>()
    for (let i = 0; i < 6000; i++) {
      const face = random.integer(1, 6)
      counts.set(face, (counts.get(face) ?? 0) + 1)
    }
    expect([...counts.keys()].sort()).toEqual([1, 2, 3, 4, 5, 6])
    for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(120)
    expect(() => random.integer(2, 1)).toThrow(RangeError)
  })

  it('samples without repeating and shuffles without losing, leaving its argument alone', () => {
    const random = createRandom(2)
    const items = [1, 2, 3, 4, 5]
    expect(new Set(random.sample(items, 5)).size).toBe(5)
    expect(random.shuffle(items).sort()).toEqual([1, 2, 3, 4, 5])
    expect(items).toEqual([1, 2, 3, 4, 5])
    expect(() => random.sample(items, 6)).toThrow(RangeError)
  })

  it('draws normal numbers of mean 0 and variance 1', () => {
    const random = createRandom(3)
    const values = Array.from({ length: 20_000 }, () => random.normal())
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length
    const variance = values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length
    expect(Math.abs(mean)).toBeLessThan(0.02)
    expect(Math.abs(variance - 1)).toBeLessThan(0.03)
  })
})
