/**
 * @file Keys and values of a batch of rows, in host memory: one array a layer and kind, [rows * keyValueHeads,
 * capacity, headSize]. A decoding step reads them whole and returns only the new row, which is written in here.
 */
import { masked } from '../model/attention.ts'
import type { AttentionKind, DecoderConfig } from '../model/config.ts'

export class KeyValueCache {
  readonly capacity: number
  readonly rows: number
  /** By layer: keys, then values. */
  readonly arrays: readonly Float32Array[]
  /** [rows, capacity]: 0 where a row has a key that its next token sees, `masked` elsewhere. */
  readonly masks: Readonly<Record<AttentionKind, Float32Array>>
  /** Tokens that each row holds; the next one's position. */
  readonly lengths: Int32Array
  readonly #heads: number
  readonly #headSize: number
  readonly #window: number

  constructor(config: DecoderConfig, rows: number, capacity: number) {
    this.capacity = capacity
    this.rows = rows
    this.#heads = config.keyValueHeads
    this.#headSize = config.headSize
    this.#window = config.window ?? Number.POSITIVE_INFINITY
    const size = rows * config.keyValueHeads * capacity * config.headSize
    this.arrays = Array.from({ length: 2 * config.layers }, () => new Float32Array(size))
    const mask = () => new Float32Array(rows * capacity).fill(masked)
    this.masks = { full: mask(), sliding: mask() }
    this.lengths = new Int32Array(rows)
  }

  /** Takes over a prefill: array i is `prefilled[i]`, [rows * keyValueHeads, length, headSize]. */
  fill(prefilled: readonly Float32Array[], length: number, lengths: readonly number[]): void {
    prefilled.forEach((source, index) => {
      const target = this.arrays[index]!
      const stride = length * this.#headSize
      for (let head = 0; head < this.rows * this.#heads; head++) {
        const kept = lengths[Math.floor(head / this.#heads)]! * this.#headSize
        target.set(
          source.subarray(head * stride, head * stride + kept),
          head * this.capacity * this.#headSize,
        )
      }
    })
    lengths.forEach((count, row) => {
      this.lengths[row] = count
      const first = row * this.capacity
      this.masks.full.fill(0, first, first + count)
      this.masks.sliding.fill(0, first + this.#firstVisible(count), first + count)
    })
  }

  /** Appends one token to each row. `added` is [2 * layers, rows * keyValueHeads, headSize]. */
  append(added: Float32Array): void {
    const perArray = this.rows * this.#heads * this.#headSize
    for (let row = 0; row < this.rows; row++) {
      const position = this.lengths[row]!
      for (let index = 0; index < this.arrays.length; index++) {
        for (let head = row * this.#heads; head < (row + 1) * this.#heads; head++) {
          const from = index * perArray + head * this.#headSize
          const to = (head * this.capacity + position) * this.#headSize
          const target = this.arrays[index]!
          for (let each = 0; each < this.#headSize; each++) target[to + each] = added[from + each]!
        }
      }
      this.lengths[row] = position + 1
      const first = row * this.capacity
      this.masks.full[first + position] = 0
      this.masks.sliding[first + position] = 0
      this.masks.sliding.fill(masked, first, first + this.#firstVisible(position + 1))
    }
  }

  /** The first key that a token at `position` sees through the window. */
  #firstVisible(position: number): number {
    return Math.max(0, position - this.#window + 1)
  }
}
