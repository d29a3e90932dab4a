/** @file What garbage collection begins its marking from: pins, what runs now, and the runs that are kept. */
import { readRunUses } from '../run/run-uses.ts'
import type { Roots } from '../store/garbage.ts'
import type { Store } from '../store/store.ts'

export async function storeRoots(store: Store): Promise<Roots> {
  const uses = readRunUses(store.layout.root)
  const running = uses.filter(({ running }) => running).flatMap(({ keys }) => [...keys.values()])
  return {
    pinned: new Set(store.pins.list().map(({ key }) => key)),
    live: new Set([...running, ...(await store.liveKeys())]),
    uses,
  }
}
