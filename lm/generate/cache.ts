/**
 * @file Keys and values of a batch of rows, in host memory: one array a layer and kind, [rows * keyValueHeads,
 * capacity, headSize]. A decoding step reads them whole and returns only the new row, which is written in here.
 */
import type { DecoderConfig } from '../model/config.ts'
import { masked } from '../model/decoder.ts'

export class KeyValueCache {
  readonly capacity: number
  readonly rows: number
  /** By layer: keys, then values. */
  readonly arrays: readonly Float32Array[]
  /** [rows, capacity]: 0 where a row has a key, `masked` elsewhere. */
  readonly mask: Float32Array
  /** Tokens that each row holds; the next one's position. */
  readonly lengths: Int32Array
  readonly #heads: number
  readonly #headSize: number

  constructor(config: DecoderConfig, rows: number, capacity: number) {
    this.capacity = capacity
    this.rows = rows
    this.#heads = config.keyValueHeads
    this.#headSize = config.headSize
    const size = rows * config.keyValueHeads * capacity * config.headSize
    this.arrays = Array.from({ length: 2 * config.layers }, () => new Float32Array(size))
    this.mask = new Float32Array(rows * capacity).fill(masked)
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
      this.mask.fill(0, row * this.capacity, row * this.capacity + count)
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
      this.mask[row * this.capacity + position] = 0
      this.lengths[row] = position + 1
    }
  }
}
