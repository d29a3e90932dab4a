/** @file The store's size cap, which holds by itself: `FLOW_CACHE_MAX_SIZE=20GB`. */
import type { EventListener } from '../events/event.ts'
import type { Store } from '../store/store.ts'
import { countText, sizeText } from '../terminal/quantities.ts'
import { sizeOption } from './quantity-options.ts'
import { storeRoots } from './store-roots.ts'

/** In the environment, since the size of a disk is the machine's matter and no project's. */
const VARIABLE = 'FLOW_CACHE_MAX_SIZE'

/** In bytes; `undefined` where there is none. Throws a `StageFailure` where it cannot be understood. */
export function sizeCap(environment: NodeJS.ProcessEnv): number | undefined {
  const text = environment[VARIABLE]
  return text === undefined || text === '' ? undefined : sizeOption(text, VARIABLE)
}

/** Removes the least recently used results, but for pinned ones and those of this run, where the cap asks for it. */
export async function holdSizeCap(store: Store, maxBytes: number, emit: EventListener): Promise<void> {
  // Loaded when needed: most runs do nothing, and must start fast.
  const [{ findGarbage }, { collect }] = await Promise.all([
    import('../store/garbage.ts'),
    import('../store/collect.ts'),
  ])
  const garbage = findGarbage(store.layout, await storeRoots(store), { maxBytes })
  const { items, sizeBytes, totalBytes } = garbage
  if (totalBytes <= maxBytes) return
  const cap = `${VARIABLE} (${sizeText(maxBytes)})`
  const { waitsFor } = await collect(store.parts, garbage)
  if (items.length > 0) {
    const when = waitsFor.length === 0 ? 'freed' : 'to be freed when other processes have ended'
    const message = `the store was over ${cap}: ${countText(items.length, 'result')} used least recently removed, ${sizeText(sizeBytes)} ${when}`
    emit({ type: 'warning', message })
  }
  if (totalBytes - sizeBytes > maxBytes) {
    const message = `the store stays over ${cap}: what is left is pinned, of this run, or no result`
    emit({ type: 'warning', message, hint: '`flow cache du` shows what takes the space' })
  }
}
