/** @file What the latest run of each node was made of, so that the next run can say what has changed. */
import { rmSync, statSync } from 'node:fs'
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
    const path = this.#layout.lastRun(workflowFile, node)
    const hint = latest.nodes.get(node)
    if (hint?.key === key && hint.state !== '' && hint.state === stateOf(path)) return false
    const known = this.read(workflowFile, node)?.key === key
    // Killed before it writes them anew, this process must not leave older keys behind.
    if (!known && !latest.changed) rmSync(this.#layout.latestKeys(workflowFile), { force: true })
    latest.changed ||= !known
    latest.grown = true
    if (!known) await this.#write(path, { key, preimage, at: new Date().toISOString() })
    latest.nodes.set(node, { key, state: stateOf(path) })
    return !known
  }

  async #write(path: string, run: LastRun): Promise<void> {
    // Only reasons depend on it: not worth a wait for the disk, nor a failure of a node that is done.
    const temporary = await this.#owner.temporary()
    try {
      writeAtomically(path, seal(run), temporary, { durable: false })
    } catch (error) {
      forgiveSystemError(error)
    }
  }

  /** Keeps the latest keys for the next run. */
  async flush(): Promise<void> {
    for (const [workflowFile, { nodes, grown }] of this.#latest) {
      if (!grown) continue
      const text = seal(Object.fromEntries(nodes))
      const path = this.#layout.latestKeys(workflowFile)
      writeAtomically(path, text, await this.#owner.temporary(), { durable: false })
    }
  }

  #latestOf(workflowFile: string): LatestKeys {
    let latest = this.#latest.get(workflowFile)
    if (latest === undefined) {
      const sealed = readSealed(this.#layout.latestKeys(workflowFile))
      const known = sealed.state === 'whole' ? (sealed.value as Record<string, Hint>) : {}
      latest = { nodes: new Map(Object.entries(known)), changed: false, grown: false }
      this.#latest.set(workflowFile, latest)
    }
    return latest
  }
}

interface Hint {
  readonly key: CacheKey
  /** Of the node's file, as its key was last seen in it. */
  readonly state: string
}

/** What tells that a file is still the one that was read; empty where there is none. */
function stateOf(path: string): string {
  const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
  return stats === undefined ? '' : `${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
}

/** Saves a read for each node whose file has not changed: any other node is looked up by its file. */
interface LatestKeys {
  readonly nodes: Map<string, Hint>
  /** A node has another latest key than its file said. */
  changed: boolean
  grown: boolean
}
