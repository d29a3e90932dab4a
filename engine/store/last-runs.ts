/** @file What the latest run of each node was made of, so that the next run can say what has changed. */
import { cacheKey, type KeyPreimage } from '../fingerprint/key.ts'
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

  constructor(layout: Layout, owner: Owner) {
    this.#layout = layout
    this.#owner = owner
  }

  read(workflowFile: string, node: string): LastRun | undefined {
    const sealed = readSealed(this.#layout.lastRun(workflowFile, node))
    return sealed.state === 'whole' ? (sealed.value as LastRun) : undefined
  }

  /** Whether the key is another one; no write where it is still the same, nor where the system refuses it. */
  async remember(workflowFile: string, node: string, preimage: KeyPreimage): Promise<boolean> {
    const key = cacheKey(preimage)
    if (this.read(workflowFile, node)?.key === key) return false
    const run: LastRun = { key, preimage, at: new Date().toISOString() }
    const path = this.#layout.lastRun(workflowFile, node)
    // Only reasons depend on it: not worth a wait for the disk, nor a failure of a node that is done.
    await writeAtomically(path, seal(run), await this.#owner.temporary(), { durable: false }).catch(
      forgiveSystemError,
    )
    return true
  }
}
