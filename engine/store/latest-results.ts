/**
 * @file What the latest runs of a workflow's nodes came to, in one file a workflow, so that a run that has nothing to do
 * reads that file in place of two for each node.
 *
 * A hint that decides nothing by itself: an entry counts for as long as one `stat` each shows that the files that it was
 * taken from are still those that were read. Damaged, outdated, brought from another disk or gone, it costs time.
 */
import type { CacheKey } from '../identity.ts'
import { writeAtomically } from './atomic-write.ts'
import { stateOf } from './file-state.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import type { ActionRecord } from './record.ts'
import { readSealed, seal } from './sealed-json.ts'

/** Of one workflow. About 17 MB on disk; those that were learnt first go first. */
const MAX_ENTRIES = 50_000

/** A node of a workflow; `file` is relative to the project. */
export interface NodePlace {
  readonly file: string
  readonly node: string
}

/** What a record says to whoever reuses the result. */
export type ReusableRecord = Pick<ActionRecord, 'outputs' | 'durationMs'>

/** A record, and the state of its file before it was read; absent where that would not betray a later change. */
export interface FoundRecord {
  readonly record?: ReusableRecord | undefined
  readonly state?: string | undefined
}

interface Entry extends FoundRecord {
  readonly key: CacheKey
  /** State of the node's file in `last-runs`, as the key was last seen in it. */
  readonly lastRun: string
}

export class LatestResults {
  readonly #layout: Layout
  readonly #owner: Owner
  /** By workflow file. */
  readonly #known = new Map<string, { readonly entries: Map<string, Entry>; grown: boolean }>()

  constructor(layout: Layout, owner: Owner) {
    this.#layout = layout
    this.#owner = owner
  }

  /** What the record of `key` says, if it has not changed. Says nothing about the blobs that it names. */
  record({ file, node }: NodePlace, key: CacheKey): ReusableRecord | undefined {
    const entry = this.#of(file).entries.get(node)
    if (entry?.key !== key || entry.state === undefined) return undefined
    return stateOf(this.#layout.action(key)) === entry.state ? entry.record : undefined
  }

  /** Whether `key` was seen in the node's file in `last-runs` while that was in this state. */
  isOf({ file, node }: NodePlace, key: CacheKey, lastRun: string): boolean {
    const entry = this.#of(file).entries.get(node)
    return entry?.key === key && lastRun !== '' && entry.lastRun === lastRun
  }

  note({ file, node }: NodePlace, seen: Entry): void {
    const known = this.#of(file)
    const before = known.entries.get(node)
    const same = before?.key === seen.key
    if (same && before.lastRun === seen.lastRun && (seen.state ?? before.state) === before.state) return
    const { key, lastRun } = seen
    const { record, state } = seen.state === undefined && same ? before : seen
    known.entries.delete(node)
    known.entries.set(node, { key, lastRun, ...(record && state && { record: reduced(record), state }) })
    known.grown = true
  }

  /** Keeps them for the next run. */
  async flush(): Promise<void> {
    for (const [file, { entries, grown }] of this.#known) {
      if (!grown) continue
      const text = seal(Object.fromEntries([...entries].slice(-MAX_ENTRIES)))
      writeAtomically(this.#layout.latestResults(file), text, await this.#owner.temporary(), {
        durable: false,
      })
    }
  }

  #of(file: string): { readonly entries: Map<string, Entry>; grown: boolean } {
    let known = this.#known.get(file)
    if (known === undefined) {
      known = { entries: readEntries(this.#layout.latestResults(file)), grown: false }
      this.#known.set(file, known)
    }
    return known
  }
}

function reduced({ outputs, durationMs }: ReusableRecord): ReusableRecord {
  return { outputs, durationMs }
}

function readEntries(path: string): Map<string, Entry> {
  try {
    const sealed = readSealed(path)
    return new Map(sealed.state === 'whole' ? Object.entries(sealed.value as Record<string, Entry>) : [])
  } catch {
    // What cannot be read is learnt anew.
    return new Map()
  }
}
