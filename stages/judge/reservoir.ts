/** @file A uniform sample without replacement in one pass: reservoir sampling (Vitter 1985, algorithm R). */
import type { SeededRandom } from '../../lm/random.ts'

/** At most `size` of the items, in their own order. */
export function reservoirSample<Item>(items: Iterable<Item>, size: number, random: SeededRandom): Item[] {
  const reservoir: { readonly position: number; readonly item: Item }[] = []
  let seen = 0
  for (const item of items) {
    const place = seen < size ? seen : random.integer(0, seen)
    if (place < size) reservoir[place] = { position: seen, item }
    seen++
  }
  return reservoir.sort((a, b) => a.position - b.position).map(({ item }) => item)
}
