/**
 * @file Keys and values of the rows that are being decoded, in host memory: one array a layer and kind,
 * [rows * keyValueHeads, capacity, headSize]. A decoding step reads them whole and returns only the new token's, which
 * are written in here. Rows come and go between steps; the capacity grows with the longest of them.
 */
import { masked } from '../model/attention.ts'
import type { AttentionKind, DecoderConfig } from '../model/config.ts'
import { copyRun, type Run } from './key-values.ts'

export class KeyValueCache {
  /** Tokens that each row holds, those before `offset` not counted. */
  readonly lengths: number[] = []
  /** Tokens before the first one here: what all rows have in common lies elsewhere. */
  readonly offset: number
  readonly #heads: number
  readonly #headSize: number
  readonly #window: number
  readonly #maximumRows: number
  #capacity = 0
  #arrays: Float32Array[]
  #masks: Record<AttentionKind, Float32Array>

  constructor(config: DecoderConfig, maximumRows: number, offset: number) {
    this.offset = offset
    this.#heads = config.keyValueHeads
    this.#headSize = config.headSize
    this.#window = config.window ?? Number.POSITIVE_INFINITY
    this.#maximumRows = maximumRows
    this.#arrays = Array.from({ length: 2 * config.layers }, () => new Float32Array(0))
    this.#masks = { full: new Float32Array(0), sliding: new Float32Array(0) }
  }

  get rows(): number {
    return this.lengths.length
  }

  get capacity(): number {
    return this.#capacity
  }

  /** By layer: keys, then values, of the present rows. */
  get arrays(): readonly Float32Array[] {
    const size = this.rows * this.#rowSize
    return this.#arrays.map((array) => array.subarray(0, size))
  }

  /** [rows, capacity]: 0 where a row has a key that its next token sees, `masked` elsewhere. */
  mask(kind: AttentionKind): Float32Array {
    return this.#masks[kind].subarray(0, this.rows * this.#capacity)
  }

  /** The positions of the rows' next tokens. */
  get positions(): number[] {
    return this.lengths.map((length) => this.offset + length)
  }

  /** Adds a row of the given tokens, one run after another. */
  add(runs: readonly Run[]): void {
    const length = runs.reduce((sum, { count }) => sum + count, 0)
    if (length > this.#capacity) this.#grow(roundedUp(length + 8))
    const row = this.lengths.push(length) - 1
    let position = 0
    for (const run of runs) {
      copyRun(run, this.#arrays, { row, length: this.#capacity, position }, this.#heads, this.#headSize)
      position += run.count
    }
    this.#openMasks(row)
  }

  /** Drops a row; the last one takes its place. */
  remove(row: number): void {
    const last = this.rows - 1
    const move = (array: Float32Array, size: number) =>
      array.copyWithin(row * size, last * size, (last + 1) * size)
    if (row !== last) {
      for (const array of this.#arrays) move(array, this.#rowSize)
      for (const mask of Object.values(this.#masks)) move(mask, this.#capacity)
      this.lengths[row] = this.lengths[last]!
    }
    this.lengths.pop()
  }

  /** Makes room for one more token in each row. */
  reserve(): void {
    const longest = Math.max(...this.lengths)
    if (longest >= this.#capacity) this.#grow(roundedUp(longest + Math.max(16, longest >> 2)))
  }

  /** Appends one token to each row. `added` is [2 * layers, rows * keyValueHeads, headSize]. */
  append(added: Float32Array): void {
    const perArray = this.rows * this.#heads * this.#headSize
    this.lengths.forEach((position, row) => {
      for (let index = 0; index < this.#arrays.length; index++) {
        const target = this.#arrays[index]!
        for (let head = row * this.#heads; head < (row + 1) * this.#heads; head++) {
          const from = index * perArray + head * this.#headSize
          const to = (head * this.#capacity + position) * this.#headSize
          for (let each = 0; each < this.#headSize; each++) target[to + each] = added[from + each]!
        }
      }
      this.lengths[row] = position + 1
      const first = row * this.#capacity
      this.#masks.full[first + position] = 0
      this.#masks.sliding[first + position] = 0
      this.#masks.sliding.fill(masked, first, first + this.#firstVisible(position + 1))
    })
  }

  get #rowSize(): number {
    return this.#heads * this.#capacity * this.#headSize
  }

  #openMasks(row: number): void {
    const [first, length] = [row * this.#capacity, this.lengths[row]!]
    for (const mask of Object.values(this.#masks)) mask.fill(masked, first, first + this.#capacity)
    this.#masks.full.fill(0, first, first + length)
    this.#masks.sliding.fill(0, first + this.#firstVisible(length), first + length)
  }

  /** The first key here that a row's token number `length` sees through the window. */
  #firstVisible(length: number): number {
    return Math.min(length, Math.max(0, length - this.#window + 1))
  }

  #grow(capacity: number): void {
    const [before, size] = [this.#capacity, this.#headSize]
    this.#arrays = this.#arrays.map((source) => {
      const target = new Float32Array(this.#maximumRows * this.#heads * capacity * size)
      for (let head = 0; head < this.rows * this.#heads; head++) {
        const kept = this.lengths[Math.floor(head / this.#heads)]! * size
        const start = head * before * size
        target.set(source.subarray(start, start + kept), head * capacity * size)
      }
      return target
    })
    this.#capacity = capacity
    const mask = () => new Float32Array(this.#maximumRows * capacity)
    this.#masks = { full: mask(), sliding: mask() }
    for (let row = 0; row < this.rows; row++) this.#openMasks(row)
  }
}

function roundedUp(length: number): number {
  return Math.ceil(length / 8) * 8
}
