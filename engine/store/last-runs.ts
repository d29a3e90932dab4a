/** @file What the latest run of each node was made of, so that the next run can say what has changed. */
import { rm } from 'node:fs/promises'
import type { KeyPreimage } from '../fingerprint/key.ts'
import type { CacheKey } from '../identity.ts'
import { forgiveSystemError } from '../stage/machine-failure.ts'
import { writeAtomically } from './atomic-write.ts'
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
  /** Workflow file -> what is known of its nodes' latest keys, read from one file. */
  readonly #latest = new Map<string, LatestKeys>()

  constructor(layout: Layout, owner: Owner) {
    this.#layout = layout
    this.#owner = owner
  }

  read(workflowFile: string, node: string): LastRun | undefined {
    const sealed = readSealed(this.#layout.lastRun(workflowFile, node))
    return sealed.state === 'whole' ? (sealed.value as LastRun) : undefined
  }

  /** Whether the key is another one; no write where it is still the same, nor where the system refuses it. */
  async remember(
    workflowFile: string,
    node: string,
    { key, preimage }: Pick<LastRun, 'key' | 'preimage'>,
  ): Promise<boolean> {
    const latest = this.#latestOf(workflowFile)
    if (latest.keys.get(node) === key) return false
    const known = this.read(workflowFile, node)?.key === key
    // Killed before it writes them anew, this process must not leave older keys behind.
    if (!known && !latest.changed) await rm(this.#layout.latestKeys(workflowFile), { force: true })
    latest.changed ||= !known
    latest.grown = true
    latest.keys.set(node, key)
    if (known) return false
    const run: LastRun = { key, preimage, at: new Date().toISOString() }
    const path = this.#layout.lastRun(workflowFile, node)
    // Only reasons depend on it: not worth a wait for the disk, nor a failure of a node that is done.
    await writeAtomically(path, seal(run), await this.#owner.temporary(), { durable: false }).catch(
      forgiveSystemError,
    )
    return true
  }

  /** Keeps the latest keys for the next run. */
  async flush(): Promise<void> {
    for (const [workflowFile, { keys, grown }] of this.#latest) {
      if (!grown) continue
      const text = seal(Object.fromEntries(keys))
      const path = this.#layout.latestKeys(workflowFile)
      await writeAtomically(path, text, await this.#owner.temporary(), { durable: false })
    }
  }

  #latestOf(workflowFile: string): LatestKeys {
    let latest = this.#latest.get(workflowFile)
    if (latest === undefined) {
      const sealed = readSealed(this.#layout.latestKeys(workflowFile))
      const known = sealed.state === 'whole' ? (sealed.value as Record<string, CacheKey>) : {}
      latest = { keys: new Map(Object.entries(known)), changed: false, grown: false }
      this.#latest.set(workflowFile, latest)
    }
    return latest
  }
}

/** A hint that saves a read for each node: a node that it does not know is looked up by its own file. */
interface LatestKeys {
  readonly keys: Map<string, CacheKey>
  /** A node has another latest key than its file said. */
  changed: boolean
  grown: boolean
}
