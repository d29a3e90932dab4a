/** @file Picks the next token by chance: temperature, then top-k, then top-p (nucleus). */
import type { SeededRandom } from '../random.ts'

export interface Sampling {
  /** 0 is greedy: the highest score, the lowest id among equals. */
  readonly temperature: number
  /** Keeps the smallest set of most probable tokens whose probabilities reach this. 1 keeps all. */
  readonly topP: number
  /** Keeps the k most probable tokens, and those as probable as the last of them. 0 keeps all. */
  readonly topK: number
}

export interface Picked {
  readonly id: number
  /** log p of the token under softmax(scores / temperature), before top-k and top-p; at temperature 0, under softmax(scores). */
  readonly logp: number
}

/**
 * Picks from one row of weights, exp((score - highest score) / temperature), at `offset` in a larger array. The
 * temperature is above 0.
 */
export function pick(
  weights: ArrayLike<number>,
  offset: number,
  size: number,
  { topP, topK }: Sampling,
  random: SeededRandom,
): Picked {
  let sum = 0
  for (let id = 0; id < size; id++) sum += weights[offset + id]!
  const kept = topP < 1 || topK > 0 ? nucleus(weights, offset, size, sum, { topP, topK }) : undefined
  let left = random.next() * (kept?.reduce((mass, { weight }) => mass + weight, 0) ?? sum)
  const picked = (id: number) => ({ id, logp: Math.log(weights[offset + id]! / sum) })
  if (kept !== undefined) {
    for (const { id, weight } of kept) {
      left -= weight
      if (left < 0) return picked(id)
    }
    return picked(kept[0]!.id)
  }
  let last = 0
  for (let id = 0; id < size; id++) {
    const weight = weights[offset + id]!
    if (weight === 0) continue
    left -= weight
    last = id
    if (left < 0) break
  }
  return picked(last)
}

interface Candidate {
  readonly id: number
  readonly weight: number
}

/** The kept tokens, most probable first. Only tokens above a falling threshold are sorted, never the vocabulary. */
function nucleus(
  weights: ArrayLike<number>,
  offset: number,
  size: number,
  sum: number,
  { topP, topK }: Pick<Sampling, 'topP' | 'topK'>,
): readonly Candidate[] {
  for (let threshold = 1e-3 * sum; ; threshold = threshold > 1e-15 * sum ? 1e-3 * threshold : 0) {
    const candidates: Candidate[] = []
    let mass = 0
    for (let id = 0; id < size; id++) {
      const weight = weights[offset + id]!
      if (weight < threshold) continue
      candidates.push({ id, weight })
      mass += weight
    }
    // With top-k, the whole of its set: top-p counts the mass of what top-k leaves.
    const enough = topK > 0 ? candidates.length >= topK : mass >= topP * sum
    if (!enough && candidates.length < size) continue
    candidates.sort((a, b) => b.weight - a.weight || a.id - b.id)
    return topK > 0 ? cut(highestK(candidates, topK), topP) : cut(candidates, topP, sum)
  }
}

/** As in transformers: tokens that score as high as the k-th stay too. */
function highestK(candidates: readonly Candidate[], k: number): readonly Candidate[] {
  const last = candidates[k - 1]
  return last === undefined ? candidates : candidates.filter(({ weight }) => weight >= last.weight)
}

/** As in transformers: top-p counts the mass of what top-k has left, and always keeps the first token. */
function cut(
  candidates: readonly Candidate[],
  topP: number,
  total = candidates.reduce((mass, { weight }) => mass + weight, 0),
): readonly Candidate[] {
  if (topP >= 1) return candidates
  const kept: Candidate[] = []
  let before = 0
  for (const candidate of candidates) {
    if (kept.length > 0 && before >= topP * total) break
    kept.push(candidate)
    before += candidate.weight
  }
  return kept
}
