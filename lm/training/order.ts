/** @file In which order rows are trained on: a function of seed and epoch alone, so that a resumed run repeats it. */
import { createRandom } from '../random.ts'

export interface OrderSettings {
  readonly batchSize: number
  readonly seed: number
  /** false keeps the rows' own order. */
  readonly shuffle: boolean
  /** Puts rows of like length together within chunks of eight batches: less padding. */
  readonly groupByLength: boolean
}

const batchesPerChunk = 8

/** The batches of one epoch, as row indices. The last batch, or with grouping some batch, may be smaller. */
export function epochBatches(lengths: readonly number[], epoch: number, settings: OrderSettings): number[][] {
  const { batchSize, seed, shuffle, groupByLength } = settings
  const random = createRandom(`order ${seed} ${epoch}`)
  const indices = lengths.map((_, index) => index)
  const order = shuffle ? random.shuffle(indices) : indices
  const split = (items: readonly number[]) =>
    Array.from({ length: Math.ceil(items.length / batchSize) }, (_, index) =>
      items.slice(index * batchSize, (index + 1) * batchSize),
    )
  if (!groupByLength) return split(order)
  const batches: number[][] = []
  for (let start = 0; start < order.length; start += batchSize * batchesPerChunk) {
    const chunk = order.slice(start, start + batchSize * batchesPerChunk)
    // Equal lengths keep their shuffled order: Array.prototype.sort is stable.
    batches.push(...split(chunk.sort((a, b) => lengths[a]! - lengths[b]!)))
  }
  return shuffle ? random.shuffle(batches) : batches
}
