/**
 * @file Which use a problem belongs to. The bucket follows from a hash of the problem itself, so no problem can be
 * in two splits, whatever the seed and however many are drawn.
 */
import { createHash } from 'node:crypto'

const BUCKETS = 20

/** Split -> its buckets of the 20. */
const BUCKETS_OF_SPLIT = {
  heldout: [0, 1],
  validation: [2],
  prompts: [3, 4],
  instructions: [5, 6],
  judging: [7, 8],
  pretraining: [9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
} as const satisfies Record<string, readonly number[]>

export type Split = keyof typeof BUCKETS_OF_SPLIT

const SPLIT_OF_BUCKET: readonly Split[] = Array.from(
  { length: BUCKETS },
  (_, bucket) =>
    (Object.keys(BUCKETS_OF_SPLIT) as Split[]).find((split) =>
      (BUCKETS_OF_SPLIT[split] as readonly number[]).includes(bucket),
    ) as Split,
)

/** `key`: what makes two problems the same one, such as `add 12 34`. */
export function splitOf(key: string): Split {
  const hash = createHash('sha1').update(key, 'utf8').digest().readUInt32BE(0)
  return SPLIT_OF_BUCKET[hash % BUCKETS] as Split
}
