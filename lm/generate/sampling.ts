/** @file Picks the next token from vocabulary scores: greedy, or temperature, then top-k, then top-p (nucleus). */
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

/** @param scores one row of vocabulary scores, at `offset` in a larger array */
export function pick(
  scores: Float32Array,
  offset: number,
  size: number,
  sampling: Sampling,
  random: SeededRandom,
): Picked {
  let best = 0
  let highest = Number.NEGATIVE_INFINITY
  for (let id = 0; id < size; id++) {
    const score = scores[offset + id]!
    if (score > highest) {
      highest = score
      best = id
    }
  }
  const scale = sampling.temperature === 0 ? 1 : 1 / sampling.temperature
  let sum = 0
  for (let id = 0; id < size; id++) sum += Math.exp((scores[offset + id]! - highest) * scale)
  const logSum = Math.log(sum)
  const logp = (id: number) => (scores[offset + id]! - highest) * scale - logSum
  if (sampling.temperature === 0) return { id: best, logp: logp(best) }

  if (sampling.topP >= 1 && sampling.topK === 0) {
    let left = random.next() * sum
    for (let id = 0; id < size; id++) {
      left -= Math.exp((scores[offset + id]! - highest) * scale)
      if (left < 0) return { id, logp: logp(id) }
    }
    return { id: best, logp: logp(best) }
  }
  const kept = nucleus(logp, size, sampling)
  const total = kept.reduce((mass, { p }) => mass + p, 0)
  let left = random.next() * total
  for (const { id, p } of kept) {
    left -= p
    if (left < 0) return { id, logp: logp(id) }
  }
  return { id: best, logp: logp(best) }
}

interface Candidate {
  readonly id: number
  readonly p: number
}

/** The kept tokens, most probable first. Only tokens above a falling threshold are sorted, never the vocabulary. */
function nucleus(logp: (id: number) => number, size: number, { topP, topK }: Sampling): readonly Candidate[] {
  const fall = Math.log(1e-3)
  for (
    let threshold = fall;
    ;
    threshold = threshold > 5 * fall ? threshold + fall : Number.NEGATIVE_INFINITY
  ) {
    const candidates: Candidate[] = []
    let mass = 0
    for (let id = 0; id < size; id++) {
      const value = logp(id)
      if (value < threshold) continue
      const p = Math.exp(value)
      candidates.push({ id, p })
      mass += p
    }
    // With top-k, the whole of its set: top-p counts the mass of what top-k leaves.
    const enough = topK > 0 ? candidates.length >= topK : mass >= topP
    if (!enough && candidates.length < size) continue
    candidates.sort((a, b) => b.p - a.p || a.id - b.id)
    return topK > 0 ? cut(highestK(candidates, topK), topP, true) : cut(candidates, topP, false)
  }
}

/** As in transformers: tokens that score as high as the k-th stay too. */
function highestK(candidates: readonly Candidate[], k: number): readonly Candidate[] {
  const last = candidates[k - 1]
  return last === undefined ? candidates : candidates.filter(({ p }) => p >= last.p)
}

/** As in transformers: top-p counts the mass of what top-k has left, and always keeps the first token. */
function cut(candidates: readonly Candidate[], topP: number, renormalise: boolean): readonly Candidate[] {
  if (topP >= 1) return candidates
  const total = renormalise ? candidates.reduce((mass, { p }) => mass + p, 0) : 1
  const kept: Candidate[] = []
  let before = 0
  for (const candidate of candidates) {
    if (kept.length > 0 && before >= topP * total) break
    kept.push(candidate)
    before += candidate.p
  }
  return kept
}
