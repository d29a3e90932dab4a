/**
 * @file Bytes by their sha256, read-only. A blob is in place whole or not at all: it is hashed and synced where only
 * its writer sees it, then renamed in.
 */
import {
  type BigIntStats,
  chmodSync,
  constants,
  lstatSync,
  mkdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { hashFile, sha256 } from '../fingerprint/hash.ts'
import type { FileHash, StatCache } from '../fingerprint/stat-cache.ts'
import type { ContentHash } from '../identity.ts'
import { StageFailure } from '../stage/failure.ts'
import { syncFile, syncFolder } from './atomic-write.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import type { Quarantine } from './quarantine.ts'

const READ_ONLY = 0o444

/** `missing`: it is not there. `damaged`: other bytes are, and have just been quarantined. */
export type BlobState = 'whole' | 'missing' | 'damaged'

/** Folders whose names must be synced before a record may point at the blobs put in. */
export type UnsyncedFolders = Set<string>

export class Blobs {
  readonly #layout: Layout
  readonly #statCache: StatCache
  readonly #owner: Owner
  readonly #quarantine: Quarantine

  constructor(layout: Layout, statCache: StatCache, owner: Owner, quarantine: Quarantine) {
    this.#layout = layout
    this.#statCache = statCache
    this.#owner = owner
    this.#quarantine = quarantine
  }

  path(hash: ContentHash): string {
    return this.#layout.blob(hash)
  }

  /** By one `lstat`; false also where the bytes must be read to tell. */
  isUnchanged(hash: ContentHash, sizeBytes?: number): boolean {
    const stats = statBlob(this.path(hash))
    return stats !== undefined && this.#isKnown(stats, hash, sizeBytes)
  }

  #isKnown(stats: BigIntStats, hash: ContentHash, sizeBytes?: number): boolean {
    return hasSize(stats, sizeBytes) && this.#statCache.peek(stats) === hash
  }

  /** One `lstat` where the blob has not changed since its bytes were last hashed, else a hashing. */
  async check(hash: ContentHash, sizeBytes?: number): Promise<BlobState> {
    const path = this.path(hash)
    const stats = statBlob(path)
    if (stats === undefined) return 'missing'
    if (this.#isKnown(stats, hash, sizeBytes)) return 'whole'
    if (hasSize(stats, sizeBytes)) {
      const found = this.#statCache.peek(stats) ?? (await this.#hashIfThere(path))
      if (found === hash) return 'whole'
      if (found === undefined) return 'missing'
    }
    // Another process may have healed it since: its inode is then another one, and stays.
    const now = statBlob(path)
    if (now === undefined) return 'missing'
    if (now.ino !== stats.ino) return this.check(hash, sizeBytes)
    await this.#quarantine.take(path)
    return 'damaged'
  }

  async #hashIfThere(path: string): Promise<ContentHash | undefined> {
    try {
      return (await this.#statCache.hashFile(path)).hash
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  /**
   * Takes the file at `source`, which must be on the store's file system. One that is `shared` (linked from
   * elsewhere) is copied first: a blob must not change when a user's file does.
   */
  async takeFile(source: string, shared: boolean, unsynced: UnsyncedFolders): Promise<FileHash> {
    let file = source
    if (shared) {
      file = await this.#owner.temporary()
      await copyFile(source, file, constants.COPYFILE_FICLONE)
    }
    // Not through the stat cache: this hash becomes a name, and costs little beside the stage that made the bytes.
    const { hash, sizeBytes, identity } = await hashFile(file)
    const path = this.path(hash)
    this.#noteFolder(path, unsynced)
    if ((await this.check(hash, sizeBytes)) === 'whole') {
      rmSync(file, { force: true })
      return { hash, sizeBytes }
    }
    await syncFile(file, sizeBytes)
    chmodSync(file, READ_ONLY)
    mkdirSync(dirname(path), { recursive: true })
    renameSync(file, path)
    const placed = statBlob(path)
    // Another inode is an equal blob that someone else put in at the same moment.
    const ours = placed !== undefined && placed.ino === identity.ino
    if (ours && (placed.size !== identity.size || placed.mtimeNs !== identity.mtimeNs)) {
      await this.#quarantine.take(path)
      throw new StageFailure({
        code: 'output-changing',
        message: `${source} was still being written after its stage had returned`,
        hint: 'a stage must await all its writes',
        file: source,
      })
    }
    return { hash, sizeBytes }
  }

  async putText(text: string, unsynced: UnsyncedFolders): Promise<ContentHash> {
    const hash = sha256(text) as ContentHash
    const path = this.path(hash)
    this.#noteFolder(path, unsynced)
    if ((await this.check(hash, Buffer.byteLength(text))) === 'whole') return hash
    const temporary = await this.#owner.temporary()
    writeFileSync(temporary, text, { flag: 'wx' })
    await syncFile(temporary, text.length)
    chmodSync(temporary, READ_ONLY)
    mkdirSync(dirname(path), { recursive: true })
    renameSync(temporary, path)
    return hash
  }

  /** Also for a blob that is there already: whoever put it in may not have got round to syncing its name. */
  #noteFolder(path: string, unsynced: UnsyncedFolders): void {
    unsynced.add(dirname(path)).add(this.#layout.blobs)
  }
}

export function syncFolders(unsynced: UnsyncedFolders): void {
  for (const folder of unsynced) syncFolder(folder)
}

function hasSize(stats: BigIntStats, sizeBytes: number | undefined): boolean {
  return stats.isFile() && (sizeBytes === undefined || stats.size === BigInt(sizeBytes))
}

function statBlob(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })
}
