/** @file Keys and values of consecutive tokens, in host memory. */
import type { DecoderConfig } from '../model/config.ts'

export interface KeyValues {
  readonly length: number
  /** One a layer and kind (keys, then values), [keyValueHeads, length, headSize]. */
  readonly arrays: readonly Float32Array[]
}

/** `count` tokens of `source` from `first` on. */
export interface Run {
  readonly source: KeyValues
  readonly first: number
  readonly count: number
}

/** One key for a place where no size may be 0; nobody is to see it. */
export function emptyPast({ layers, keyValueHeads, headSize }: DecoderConfig): KeyValues {
  const zeros = new Float32Array(keyValueHeads * headSize)
  return { length: 1, arrays: Array.from({ length: 2 * layers }, () => zeros) }
}

export function joined(runs: readonly Run[], config: DecoderConfig): KeyValues {
  const { layers, keyValueHeads, headSize } = config
  const length = runs.reduce((sum, { count }) => sum + count, 0)
  const arrays = Array.from({ length: 2 * layers }, () => new Float32Array(keyValueHeads * length * headSize))
  let position = 0
  for (const run of runs) {
    copyRun(run, arrays, { row: 0, length, position }, keyValueHeads, headSize)
    position += run.count
  }
  return { length, arrays }
}

/** Copies a run into `position` of a row of arrays [rows, heads, length, headSize]. */
export function copyRun(
  { source, first, count }: Run,
  targets: readonly Float32Array[],
  { row, length, position }: { readonly row: number; readonly length: number; readonly position: number },
  heads: number,
  headSize: number,
): void {
  source.arrays.forEach((from, index) => {
    for (let head = 0; head < heads; head++) {
      const start = (head * source.length + first) * headSize
      const to = ((row * heads + head) * length + position) * headSize
      targets[index]!.set(from.subarray(start, start + count * headSize), to)
    }
  })
}
