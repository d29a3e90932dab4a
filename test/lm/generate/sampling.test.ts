/** @file Token picking against the definitions of transformers' warpers, written out over the whole vocabulary. */
import { describe, expect, it } from 'vitest'
import { pick, type Sampling } from '../../../lm/generate/sampling.ts'
import { createRandom, type SeededRandom } from '../../../lm/random.ts'

function logSoftmax(scores: readonly number[]): number[] {
  const highest = Math.max(...scores)
  const sum = scores.reduce((total, score) => total + Math.exp(score - highest), 0)
  return scores.map((score) => score - highest - Math.log(sum))
}

/** Temperature, then top-k (ties with the k-th stay), then top-p (ascending cumulative mass up to 1 - p goes). */
function keptTokens(scores: readonly number[], { temperature, topP, topK }: Sampling): Map<number, number> {
  let warped = scores.map((score) => score / temperature)
  if (topK > 0) {
    const kth = [...warped].sort((a, b) => b - a)[Math.min(topK, warped.length) - 1]!
    warped = warped.map((score) => (score < kth ? Number.NEGATIVE_INFINITY : score))
  }
  let probabilities = logSoftmax(warped).map(Math.exp)
  if (topP < 1) {
    const ascending = probabilities
      .map((_, id) => id)
      .sort((a, b) => probabilities[a]! - probabilities[b]! || b - a)
    let mass = 0
    ascending.forEach((id, rank) => {
      mass += probabilities[id]!
      if (mass <= 1 - topP && rank < ascending.length - 1) warped[id] = Number.NEGATIVE_INFINITY
    })
    probabilities = logSoftmax(warped).map(Math.exp)
  }
  return new Map([...probabilities.entries()].filter(([, probability]) => probability > 0))
}

function draw(scores: readonly number[], sampling: Sampling, random: SeededRandom) {
  const highest = Math.max(...scores)
  const weights = scores.map((score) => Math.exp((score - highest) / sampling.temperature))
  // Between the rows of others.
  return pick(Float32Array.of(1, 1, ...weights, 1), 2, scores.length, sampling, random)
}

function counts(scores: readonly number[], sampling: Sampling, draws: number): Map<number, number> {
  const random = createRandom('counts')
  const found = new Map<number, number>()
  for (let each = 0; each < draws; each++) {
    const { id } = draw(scores, sampling, random)
    found.set(id, (found.get(id) ?? 0) + 1)
  }
  return found
}

const row = [0.5, 2, -1, 1.25, 2, 0, -0.5, 1.5]

describe('sampling', () => {
  it.each<[string, Sampling]>([
    ['the whole vocabulary', { temperature: 1, topP: 1, topK: 0 }],
    ['a temperature', { temperature: 0.5, topP: 1, topK: 0 }],
    ['top-k', { temperature: 1, topP: 1, topK: 3 }],
    ['top-p', { temperature: 1, topP: 0.8, topK: 0 }],
    ['all three', { temperature: 1.5, topP: 0.8, topK: 6 }],
  ])('has the frequencies of its distribution: %s', (_, sampling) => {
    const draws = 20_000
    const found = counts(row, sampling, draws)
    const expected = keptTokens(row, sampling)
    expect([...found.keys()].sort()).toEqual([...expected.keys()].sort())
    let chiSquare = 0
    for (const [id, probability] of expected) {
      chiSquare += ((found.get(id) ?? 0) - draws * probability) ** 2 / (draws * probability)
    }
    // The 0.999 quantile of seven degrees of freedom; fewer have lower ones.
    expect(chiSquare).toBeLessThan(24.32)
  })

  it('reports log-probabilities under the temperature, before top-k and top-p', () => {
    const random = createRandom(1)
    // Of the weights as float32 holds them.
    const highest = Math.max(...row)
    const logps = logSoftmax(row.map((score) => Math.log(Math.fround(Math.exp((score - highest) / 0.7)))))
    for (let each = 0; each < 20; each++) {
      const { id, logp } = draw(row, { temperature: 0.7, topP: 0.5, topK: 3 }, random)
      expect(logp).toBeCloseTo(logps[id]!, 12)
    }
  })

  it('keeps tokens as high as the k-th, and always the highest', () => {
    const tied = [1, 3, 2, 2, 2, 0]
    expect([...counts(tied, { temperature: 1, topP: 1, topK: 2 }, 500).keys()].sort()).toEqual([1, 2, 3, 4])
    expect([...counts(tied, { temperature: 1, topP: 0, topK: 0 }, 50).keys()]).toEqual([1])
    expect([...counts(tied, { temperature: 1, topP: 1, topK: 1 }, 50).keys()]).toEqual([1])
  })

  it('lets top-p count the mass of the whole top-k set, its thin tail included', () => {
    const scores = [0.85, 0.06, ...new Array<number>(1000).fill(9e-5).map((p, id) => p - id * 1e-10)].map(
      Math.log,
    )
    // The 400 highest hold 0.946, and 0.85 is less than nine tenths of it.
    const found = counts(scores, { temperature: 1, topP: 0.9, topK: 400 }, 300)
    expect([...found.keys()].sort()).toEqual([0, 1])
  })

  it('keeps exactly the set of the definition, on rows of all shapes', () => {
    const random = createRandom('rows')
    for (let each = 0; each < 60; each++) {
      const spread = random.choice([0.2, 1, 4, 12])
      const scores = Array.from({ length: 40 }, () => Math.fround(random.normal() * spread))
      const sampling = {
        temperature: random.choice([0.4, 1, 2]),
        topP: random.choice([1, 0.95, 0.6, 0.1]),
        topK: random.choice([0, 1, 5, 30, 100]),
      }
      const kept = [...keptTokens(scores, sampling)].sort(([, a], [, b]) => b - a)
      // The same random number picks the same token of the same set in the same order.
      const seed = `draw ${each}`
      const ours = draw(scores, sampling, createRandom(seed)).id
      let left = createRandom(seed).next()
      const ordered = sampling.topP >= 1 && sampling.topK === 0 ? kept.sort(([a], [b]) => a - b) : kept
      const theirs = ordered.find(([, probability]) => {
        left -= probability
        return left < 0
      })
      expect(ours).toBe(theirs![0])
    }
  })

  it('draws one random number a token', () => {
    for (const sampling of [
      { temperature: 1, topP: 1, topK: 0 },
      { temperature: 1, topP: 0.5, topK: 2 },
    ]) {
      const [used, counted] = [createRandom(3), createRandom(3)]
      draw(row, sampling, used)
      counted.next()
      expect(used.state()).toEqual(counted.state())
    }
  })
})
