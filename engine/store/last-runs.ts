/** @file What the latest run of each node was made of, so that the next run can say what has changed. */
import type { KeyPreimage } from '../fingerprint/key.ts'
import type { CacheKey } from '../identity.ts'
import { forgiveSystemError } from '../stage/machine-failure.ts'
import { writeAtomically } from './atomic-write.ts'
import { stateOf } from './file-state.ts'
import type { FoundRecord, LatestResults, NodePlace } from './latest-results.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import { readSealed, seal } from './sealed-json.ts'

export interface LastRun {
  readonly key: CacheKey
  readonly preimage: KeyPreimage
  /** ISO 8601, when this key was first the node's latest. */
  readonly at: string
}

export class LastRuns {
  readonly #layout: Layout
  readonly #owner: Owner
  readonly #latest: LatestResults

  constructor(layout: Layout, owner: Owner, latest: LatestResults) {
    this.#layout = layout
    this.#owner = owner
    this.#latest = latest
  }

  read({ file, node }: NodePlace): LastRun | undefined {
    const sealed = readSealed(this.#layout.lastRun(file, node))
    return sealed.state === 'whole' ? (sealed.value as LastRun) : undefined
  }

  isLatest(place: NodePlace, key: CacheKey): boolean {
    return this.#latest.isOf(place, key, stateOf(this.#layout.lastRun(place.file, place.node)))
  }

  /**
   * Whether the key is another one; no write where it is still the same, nor where the system refuses it.
   * @param found where the result was reused: its record as it was read.
   */
  async remember(
    place: NodePlace,
    { key, preimage }: Pick<LastRun, 'key' | 'preimage'>,
    found?: FoundRecord,
  ): Promise<boolean> {
    const path = this.#layout.lastRun(place.file, place.node)
    const state = stateOf(path)
    const isKnown = this.#latest.isOf(place, key, state) || this.read(place)?.key === key
    const isKept = isKnown || (await this.#write(path, { key, preimage, at: new Date().toISOString() }))
    if (isKept) this.#latest.note(place, { key, lastRun: isKnown ? state : stateOf(path), ...found })
    return !isKnown
  }

  async #write(path: string, run: LastRun): Promise<boolean> {
    // Only reasons depend on it: not worth a wait for the disk, nor a failure of a node that is done.
    const temporary = await this.#owner.temporary()
    try {
      writeAtomically(path, seal(run), temporary, { durable: false })
      return true
    } catch (error) {
      forgiveSystemError(error)
      return false
    }
  }
}
