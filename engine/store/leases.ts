/**
 * @file Leases on keys: whoever is about to compute a key takes its lease first, and everyone else waits for the
 * result. A lease is a lock; it ends with its holder (`liveness.ts`).
 */
import { lstatSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { CacheKey } from '../identity.ts'
import type { Progress } from '../stage/define.ts'
import { parseBeat, readBeat } from './heartbeat.ts'
import type { Layout } from './layout.ts'
import { holderOf, isHeld, tryLock, unlock } from './lock.ts'
import type { Owner } from './owner.ts'

const POLL_MS = 100

/** Who computes a key. */
export interface LeaseHolder {
  readonly host: string
  readonly pid: number
  /** ISO 8601, by the clock of the file system: when it began to work on the store. */
  readonly since: string
  /** What it last said of its progress. */
  readonly progress?: Progress
}

export interface LeaseWait {
  /** Rejects with its reason as soon as it is aborted. */
  readonly signal?: AbortSignal | undefined
  /** Called at once where there is something to wait for, and again whenever there is news of the holder. */
  readonly onHolder?: (holder: LeaseHolder) => void
}

export class Leases {
  readonly #layout: Layout
  readonly #owner: Owner

  constructor(layout: Layout, owner: Owner) {
    this.#layout = layout
    this.#owner = owner
  }

  /** False while a living attempt holds it, be it one of this very store. */
  take(key: CacheKey): Promise<boolean> {
    return tryLock(this.#owner, this.#layout.lease(key))
  }

  /** Whether it is still this store's: it may be lost to another while this process is suspended. */
  isHeld(key: CacheKey): boolean {
    return isHeld(this.#owner, this.#layout.lease(key))
  }

  /** Lets those who wait see how far the work has come. */
  report(key: CacheKey, progress: Progress): void {
    this.#owner.heartbeat.report(key, progress)
  }

  release(key: CacheKey): void {
    this.#owner.heartbeat.report(key)
    unlock(this.#owner, this.#layout.lease(key))
  }

  /** Resolves once nobody who lives holds the lease. It is not taken: others may be faster. */
  async whenFree(key: CacheKey, { signal, onHolder }: LeaseWait = {}): Promise<void> {
    let told: string | undefined
    for (;;) {
      const id = holderOf(this.#layout.lease(key))
      if (id === undefined || !this.#owner.others.isAlive(id)) return
      const holder = this.#describe(key, id)
      const text = JSON.stringify(holder)
      if (holder !== undefined && text !== told) onHolder?.(holder)
      told = text
      await delay(POLL_MS, undefined, { ...(signal === undefined ? {} : { signal }) })
    }
  }

  /** Keys that are being computed now, by whichever process. */
  async liveKeys(): Promise<Set<CacheKey>> {
    const keys = (await readdir(this.#layout.leases)) as CacheKey[]
    return new Set(
      keys.filter((key) => {
        const id = holderOf(this.#layout.lease(key))
        return id !== undefined && this.#owner.others.isAlive(id)
      }),
    )
  }

  #describe(key: CacheKey, id: string): LeaseHolder | undefined {
    const identity = this.#owner.others.identity(id)
    const lease = lstatSync(this.#layout.lease(key), { throwIfNoEntry: false })
    if (identity === undefined || lease === undefined) return undefined
    const progress = parseBeat(readBeat(this.#layout.ownerBeat(id)))?.progress[key]
    const { host, pid } = identity
    return { host, pid, since: lease.mtime.toISOString(), ...(progress === undefined ? {} : { progress }) }
  }
}
