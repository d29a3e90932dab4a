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
 * temperature is above 0, the vocabulary smaller than 2^21.
 */
export function pick(
  weights: Float32Array,
  offset: number,
  size: number,
  { topP, topK }: Sampling,
  random: SeededRandom,
): Picked {
  const row = weights.subarray(offset, offset + size)
  let sum = 0
  for (let id = 0; id < size; id++) sum += row[id]!
  const picked = (id: number) => ({ id, logp: Math.log(row[id]! / sum) })
  if (topP < 1 || topK > 0) {
    const kept = nucleus(row, sum, { topP, topK })
    let left = random.next() * kept.reduce((mass, id) => mass + row[id]!, 0)
    for (const id of kept) {
      left -= row[id]!
      if (left < 0) return picked(id)
    }
    return picked(kept[0]!)
  }
  let left = random.next() * sum
  let last = 0
  for (let id = 0; id < size; id++) {
    const weight = row[id]!
    if (weight === 0) continue
    left -= weight
    last = id
    if (left < 0) break
  }
  return picked(last)
}

/** The kept tokens, most probable first, of equals the lowest id. */
function nucleus(
  weights: Float32Array,
  sum: number,
  { topP, topK }: Pick<Sampling, 'topP' | 'topK'>,
): readonly number[] {
  const ids = mostProbable(weights, (mass, count) =>
    // With top-k, the whole of its set: top-p counts the mass of what top-k leaves.
    topK > 0 ? count >= topK : mass >= topP * sum * (1 + marginOfSums),
  )
  return topK > 0 ? cut(highestK(ids, topK, weights), topP, weights) : cut(ids, topP, weights, sum)
}

/** Sums of the same weights in another order differ by less, as a share. */
const marginOfSums = 1e-9

/** Non-negative floats are ordered as their bits are; these are the bits within one class: 8 classes an octave. */
const bitsInClass = 20

/**
 * Tokens of the highest weights, sorted: as many classes of weights as are `enough`, else all. Only they are sorted, never
 * the vocabulary.
 */
function mostProbable(
  weights: Float32Array,
  enough: (mass: number, count: number) => boolean,
): readonly number[] {
  const bits = new Uint32Array(weights.buffer, weights.byteOffset, weights.length)
  const masses = new Float64Array(2 ** (32 - bitsInClass))
  const counts = new Int32Array(masses.length)
  for (let id = 0; id < bits.length; id++) {
    const own = bits[id]! >>> bitsInClass
    masses[own]! += weights[id]!
    counts[own]!++
  }
  let lowest = masses.length
  let [mass, count] = [0, 0]
  do {
    lowest--
    mass += masses[lowest]!
    count += counts[lowest]!
  } while (lowest > 0 && (count === 0 || !enough(mass, count)))
  // Weight and id in one number, which sorts both; 53 bits are exact.
  const keys = new Float64Array(count)
  let next = 0
  for (let id = 0; id < bits.length; id++) {
    if (bits[id]! >>> bitsInClass >= lowest) keys[next++] = (2 ** 31 - bits[id]!) * 2 ** 21 + id
  }
  return Array.from(keys.sort(), (key) => key % 2 ** 21)
}

/** As in transformers: tokens that score as high as the k-th stay too. */
function highestK(ids: readonly number[], k: number, weights: Float32Array): readonly number[] {
  if (ids.length <= k) return ids
  const last = weights[ids[k - 1]!]!
  return ids.filter((id) => weights[id]! >= last)
}

/** As in transformers: top-p counts the mass of what top-k has left, and always keeps the first token. */
function cut(
  ids: readonly number[],
  topP: number,
  weights: Float32Array,
  total = ids.reduce((mass, id) => mass + weights[id]!, 0),
): readonly number[] {
  if (topP >= 1) return ids
  let count = 0
  for (let before = 0; count < ids.length && (count === 0 || before < topP * total); count++) {
    before += weights[ids[count]!]!
  }
  return ids.slice(0, count)
}
