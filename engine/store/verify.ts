/**
 * @file Whether everything in the store is what it says: every byte is read again, whatever the stat cache knows. What
 * is damaged is quarantined, so that the nodes concerned run again.
 *
 * Other processes may work meanwhile. What vanishes is left out; what they heal has another inode, and stays.
 */
import { lstatSync } from 'node:fs'
import { join, relative } from 'node:path'
import { cacheKey } from '../fingerprint/key.ts'
import { StatCache } from '../fingerprint/stat-cache.ts'
import { hashValue } from '../fingerprint/value.ts'
import type { CacheKey, ContentHash } from '../identity.ts'
import { isStageFailure } from '../stage/failure.ts'
import { type FannedFile, fannedFiles, namesIn, readListing, storedRecords } from './inventory.ts'
import type { LastRun } from './last-runs.ts'
import type { LedgerEntry } from './ledger.ts'
import type { Pin } from './pins.ts'
import { parseRecord, type RecordedOutput } from './record.ts'
import { readSealed } from './sealed-json.ts'
import type { StoreParts } from './store.ts'

export interface StoreFault {
  readonly what: 'blob' | 'record' | 'result' | 'view' | 'mark' | 'ledger' | 'last-run' | 'pin'
  /** Relative to `.flow`. */
  readonly path: string
  /** A few words: "holds other bytes than its name says". */
  readonly message: string
  /** Set aside. A record whose blobs are gone stays: the node runs again, and is compared with it. */
  readonly quarantined: boolean
}

export interface VerifyReport {
  readonly checked: { readonly blobs: number; readonly records: number; readonly views: number }
  readonly bytesRead: number
  readonly faults: readonly StoreFault[]
}

export interface VerifyProgress {
  readonly doneBytes: number
  readonly totalBytes: number
}

export async function verifyStore(
  parts: StoreParts,
  onProgress: (progress: VerifyProgress) => void = () => {},
): Promise<VerifyReport> {
  const verification = new Verification(parts)
  const blobs = await verification.blobs(onProgress)
  const records = await verification.records()
  verification.results()
  const views = await verification.views()
  await verification.smallFiles()
  const { faults, bytesRead } = verification
  return { checked: { blobs, records, views }, bytesRead, faults }
}

class Verification {
  readonly faults: StoreFault[] = []
  bytesRead = 0
  readonly #parts: StoreParts
  /** Empty at first, and never written: it only spares reading a blob again through a view that links to it. */
  readonly #readNow: StatCache

  constructor(parts: StoreParts) {
    this.#parts = parts
    this.#readNow = new StatCache(join(parts.layout.tmp, 'none'))
  }

  async blobs(onProgress: (progress: VerifyProgress) => void): Promise<number> {
    const files = [...fannedFiles(this.#parts.layout.blobs)]
    const sizes = files.map(({ path }) => lstatSync(path, { throwIfNoEntry: false })?.size ?? 0)
    const totalBytes = sizes.reduce((sum, size) => sum + size, 0)
    let doneBytes = 0
    for (const [index, file] of files.entries()) {
      await this.#blob(file)
      doneBytes += sizes[index] ?? 0
      onProgress({ doneBytes, totalBytes })
    }
    this.bytesRead = doneBytes
    return files.length
  }

  async #blob({ path, digest }: FannedFile): Promise<void> {
    if (digest === undefined) return this.#damaged('blob', path, 'is not a blob by its name')
    const stats = lstatSync(path, { throwIfNoEntry: false })
    if (stats === undefined) return
    if (!stats.isFile()) return this.#damaged('blob', path, 'is not a file')
    const message = await this.#difference(path, 'file', digest as ContentHash)
    if (message === undefined || lstatSync(path, { throwIfNoEntry: false })?.ino !== stats.ino) return
    await this.#damaged('blob', path, message)
  }

  async records(): Promise<number> {
    let count = 0
    for (const { path, digest } of fannedFiles(this.#parts.layout.actions, '.json')) {
      count += 1
      const isRecord = (value: unknown) =>
        digest !== undefined && parseRecord(value, digest as CacheKey) !== undefined
      await this.#sealed('record', path, isRecord)
    }
    return count
  }

  /** Looked at after the blobs, so that damaged ones are gone already. */
  results(): void {
    const { layout } = this.#parts
    for (const record of storedRecords(layout)) {
      const { key } = record
      const damages = Object.entries(record.outputs).flatMap(([port, output]) => {
        const damage = this.#missing(output)
        return damage === undefined ? [] : [`output ${port} ${damage}`]
      })
      if (damages.length > 0) this.#fault('result', layout.action(key), damages.join('; '), false)
    }
  }

  #missing({ hash, kind, sizeBytes }: RecordedOutput): string | undefined {
    const { layout } = this.#parts
    const sizeOfBlob = (blob: ContentHash) => lstatSync(layout.blob(blob), { throwIfNoEntry: false })?.size
    if (kind === 'file') {
      const found = sizeOfBlob(hash)
      return found === sizeBytes ? undefined : found === undefined ? 'is gone' : 'has another size'
    }
    const entries = readListing(layout, hash)
    if (entries === undefined) return 'has no listing'
    for (const entry of entries) {
      if (entry.kind === 'file' && sizeOfBlob(entry.hash) !== entry.sizeBytes) return `lacks ${entry.path}`
    }
    return undefined
  }

  async views(): Promise<number> {
    const { layout } = this.#parts
    const names = namesIn(layout.views)
    for (const name of names) {
      const view = join(layout.views, name)
      const message = await this.#difference(view, 'folder', name as ContentHash)
      if (message !== undefined) await this.#damaged('view', view, message)
    }
    return names.length
  }

  async smallFiles(): Promise<void> {
    const { layout } = this.#parts
    for (const { path, digest } of fannedFiles(layout.marks)) {
      const stats = lstatSync(path, { throwIfNoEntry: false })
      if (stats === undefined || (digest !== undefined && stats.isFile() && stats.size === 0)) continue
      await this.#damaged('mark', path, 'is not a mark')
    }
    for (const name of namesIn(layout.ledger)) {
      await this.#sealed('ledger', join(layout.ledger, name), (value) => {
        const { destination } = value as LedgerEntry
        return typeof destination === 'string' && name === `${layout.ledgerId(destination)}.json`
      })
    }
    for (const workflow of namesIn(layout.lastRuns)) {
      for (const name of namesIn(join(layout.lastRuns, workflow))) {
        await this.#sealed('last-run', join(layout.lastRuns, workflow, name), (value) => {
          const { key, preimage } = value as LastRun
          return cacheKey(preimage) === key
        })
      }
    }
    for (const name of namesIn(layout.pins)) {
      const path = join(layout.pins, name)
      await this.#sealed('pin', path, (value) => layout.pin((value as Pin).name) === path)
    }
  }

  /** `isRight` may throw on a value of another form. */
  async #sealed(what: StoreFault['what'], path: string, isRight: (value: unknown) => boolean): Promise<void> {
    const sealed = readSealed(path)
    if (sealed.state === 'absent') return
    if (sealed.state !== 'whole') return this.#damaged(what, path, 'does not match its seal')
    let right = false
    try {
      right = isRight(sealed.value)
    } catch {
      // Of another form, that is, not right.
    }
    if (!right) await this.#damaged(what, path, 'is not what its name says')
  }

  /** What is wrong with the bytes at `path`; nothing where they are right, or gone. */
  async #difference(path: string, kind: 'file' | 'folder', wanted: ContentHash): Promise<string | undefined> {
    try {
      const { hash } = await hashValue(path, kind, this.#readNow)
      return hash === wanted ? undefined : 'holds other bytes than its name says'
    } catch (error) {
      if (lstatSync(path, { throwIfNoEntry: false }) === undefined) return undefined
      const { code } = error as NodeJS.ErrnoException
      if (code === undefined && !isStageFailure(error)) throw error
      return `cannot be read: ${(error as Error).message}`
    }
  }

  async #damaged(what: StoreFault['what'], path: string, message: string): Promise<void> {
    await this.#parts.quarantine.take(path)
    this.#fault(what, path, message, true)
  }

  #fault(what: StoreFault['what'], path: string, message: string, quarantined: boolean): void {
    this.faults.push({ what, path: relative(this.#parts.layout.root, path), message, quarantined })
  }
}
