/**
 * @file A small seeded random number generator whose whole state is four 32-bit words, so that a trainer can put it
 * into its checkpoint and a resumed run draws the very same numbers.
 *
 * Algorithm: sfc32 (C. Doty-Humphrey's "small fast counter", 32-bit, as in PractRand), seeded with the first twelve
 * bytes of the sha256 of the seed's text and a counter of 1; the first 12 outputs are thrown away. A seed's number
 * and its text ("7" and 7) give the same sequence.
 */
import { createHash } from 'node:crypto'

/** The four words a, b, c, counter, each in [0, 2^32). */
export type RandomState = readonly [number, number, number, number]

export interface SeededRandom {
  /** Uniform in [0, 1), 53 bits. */
  next(): number
  /** Uniform in 0 .. 2^32 - 1. */
  word(): number
  /** Uniform whole number in `low` .. `high`, both included. */
  integer(low: number, high: number): number
  choice<T>(items: ArrayLike<T>): T
  /** `count` different items of `items`, in random order. */
  sample<T>(items: ArrayLike<T>, count: number): T[]
  /** A new array: the items in random order (Fisher-Yates). */
  shuffle<T>(items: ArrayLike<T>): T[]
  /** Standard normal (Box-Muller; its second value is not kept, so the state stays four words). */
  normal(): number
  state(): RandomState
  restore(state: RandomState): void
}

class Sfc32 implements SeededRandom {
  #a = 0
  #b = 0
  #c = 0
  #counter = 1

  constructor(seed: number | string) {
    const digest = createHash('sha256').update(String(seed), 'utf8').digest()
    this.#a = digest.readInt32LE(0)
    this.#b = digest.readInt32LE(4)
    this.#c = digest.readInt32LE(8)
    for (let i = 0; i < 12; i++) this.word()
  }

  word(): number {
    const output = (((this.#a + this.#b) | 0) + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + output) | 0
    return output >>> 0
  }

  next(): number {
    const high = this.word() >>> 5
    const low = this.word() >>> 6
    return (high * 2 ** 26 + low) / 2 ** 53
  }

  integer(low: number, high: number): number {
    if (!(high >= low)) throw new RangeError(`no whole number from ${low} to ${high}`)
    return low + Math.floor(this.next() * (high - low + 1))
  }

  choice<T>(items: ArrayLike<T>): T {
    return items[this.integer(0, items.length - 1)] as T
  }

  sample<T>(items: ArrayLike<T>, count: number): T[] {
    if (count > items.length) throw new RangeError(`cannot sample ${count} of ${items.length} items`)
    const pool = Array.from(items)
    for (let i = 0; i < count; i++) this.#swap(pool, i, this.integer(i, pool.length - 1))
    return pool.slice(0, count)
  }

  shuffle<T>(items: ArrayLike<T>): T[] {
    const shuffled = Array.from(items)
    for (let i = shuffled.length - 1; i > 0; i--) this.#swap(shuffled, i, this.integer(0, i))
    return shuffled
  }

  normal(): number {
    // 1 - next() lies in (0, 1]: its logarithm is finite.
    const radius = Math.sqrt(-2 * Math.log(1 - this.next()))
    return radius * Math.cos(2 * Math.PI * this.next())
  }

  state(): RandomState {
    return [this.#a >>> 0, this.#b >>> 0, this.#c >>> 0, this.#counter >>> 0]
  }

  restore(state: RandomState): void {
    this.#a = state[0] | 0
    this.#b = state[1] | 0
    this.#c = state[2] | 0
    this.#counter = state[3] | 0
  }

  #swap<T>(items: T[], i: number, j: number): void {
    const kept = items[i] as T
    items[i] = items[j] as T
    items[j] = kept
  }
}

/** A generator of its own sequence; equal seeds give equal sequences on every machine. */
export function createRandom(seed: number | string): SeededRandom {
  return new Sfc32(seed)
}
