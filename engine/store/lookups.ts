/** @file Whether an earlier result may be reused: only where every byte of it is whole. */
import type { CacheKey } from '../identity.ts'
import type { Actions } from './actions.ts'
import type { LatestResults, NodePlace, ReusableRecord } from './latest-results.ts'
import type { ActionRecord } from './record.ts'
import type { Trees } from './trees.ts'

export type LookupResult =
  | {
      readonly record: ActionRecord
      /** State of the record's file before it was read, where that betrays a later change. */
      readonly state?: string | undefined
      readonly reason?: undefined
      /** Where it is or was taken from, if not this store: "from the shared cache". */
      readonly origin?: string
    }
  | {
      readonly record?: undefined
      /** One line: "no earlier result", "output adapter: adapter_config.json is missing". */
      readonly reason: string
      /** There was a result, and it was lost or damaged. */
      readonly damaged: boolean
    }

export class Lookups {
  readonly #actions: Actions
  readonly #trees: Trees
  readonly #latest: LatestResults

  constructor(actions: Actions, trees: Trees, latest: LatestResults) {
    this.#actions = actions
    this.#trees = trees
    this.#latest = latest
  }

  /**
   * What the record says of a key that was the latest one of this node, where neither the record nor any byte behind it has
   * changed since it was read: told by one `stat` each. Nothing means no more than that `lookup` must be asked.
   */
  peek(place: NodePlace, key: CacheKey): ReusableRecord | undefined {
    const record = this.#latest.record(place, key)
    if (record === undefined) return undefined
    const isWhole = Object.values(record.outputs).every(({ hash, kind, sizeBytes }) =>
      this.#trees.isUnchanged(hash, kind, sizeBytes),
    )
    return isWhole ? record : undefined
  }

  async lookup(key: CacheKey): Promise<LookupResult> {
    const read = await this.#actions.read(key)
    switch (read.state) {
      case 'absent':
        return { reason: 'no earlier result', damaged: false }
      case 'damaged':
        return { reason: 'the record of the earlier result was damaged', damaged: true }
      case 'found': {
        const damages = await this.damages(read.record)
        if (damages.length === 0) return { record: read.record, state: read.fileState }
        const more = damages.length > 1 ? ` (and ${damages.length - 1} more)` : ''
        return { reason: `${damages[0]} in the store${more}`, damaged: true }
      }
      default:
        return read satisfies never
    }
  }

  /** All of them, so that one pass quarantines every damaged blob. */
  async damages(record: ActionRecord): Promise<string[]> {
    const damages: string[] = []
    for (const [port, { hash, kind, sizeBytes }] of Object.entries(record.outputs)) {
      for (const damage of await this.#trees.check(hash, kind, sizeBytes)) {
        damages.push(kind === 'file' ? `output ${port} ${damage}` : `output ${port}: ${damage}`)
      }
    }
    return damages
  }
}
