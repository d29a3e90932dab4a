/**
 * @file Bytes by their sha256, read-only. A blob is in place whole or not at all: it is hashed and synced where only
 * its writer sees it, then renamed in.
 */
import { type BigIntStats, chmodSync, constants, lstatSync, rmSync, writeFileSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type FileIdentity, hashFile, sha256 } from '../fingerprint/hash.ts'
import type { FileHash, StatCache } from '../fingerprint/stat-cache.ts'
import type { ContentHash } from '../identity.ts'
import { StageFailure } from '../stage/failure.ts'
import { placeFile } from './atomic-write.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import type { Quarantine } from './quarantine.ts'
import { type SizedFile, syncFiles, syncFolders } from './sync.ts'

const READ_ONLY = 0o444

/** `missing`: it is not there. `damaged`: other bytes are, and have just been quarantined. */
export type BlobState = 'whole' | 'missing' | 'damaged'

/** A file that is to become a blob. */
interface Incoming {
  readonly file: string
  readonly sizeBytes: number
  /** Where the file was found, and what it was when it was hashed. */
  readonly found?: { readonly source: string; readonly identity: FileIdentity }
}

/** Bytes on their way into the store: hashed, in private, not yet under their names. */
export class Intake {
  /** By the path that they will have. */
  readonly files = new Map<string, Incoming>()
  /** Whose names must be synced before a record may point at the blobs in them. */
  readonly folders = new Set<string>()
}

export class Blobs {
  readonly #layout: Layout
  readonly #statCache: StatCache
  readonly #owner: Owner
  readonly #quarantine: Quarantine
  /** Folders of blobs whose own names outlive a power cut. */
  readonly #lastingFolders = new Set<string>()

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
      return (await this.#statCache.readFile(path)).hash
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }

  /**
   * Hashes the file at `source`, which must be on the store's file system, and is left alone from here on. One that is
   * `shared` (linked from elsewhere) is copied: a blob must not change when a user's file does.
   */
  async takeFile(source: string, shared: boolean, intake: Intake): Promise<FileHash> {
    let file = source
    if (shared) {
      file = await this.#owner.temporary()
      await copyFile(source, file, constants.COPYFILE_FICLONE)
    }
    // Not through the stat cache: this hash becomes a name, and costs little beside the stage that made the bytes.
    const { hash, sizeBytes, identity } = await hashFile(file)
    if (await this.#isThere(hash, sizeBytes, intake)) rmSync(file, { force: true })
    else intake.files.set(this.path(hash), { file, sizeBytes, found: { source, identity } })
    return { hash, sizeBytes }
  }

  async takeText(text: string, intake: Intake): Promise<ContentHash> {
    const hash = sha256(text) as ContentHash
    const sizeBytes = Buffer.byteLength(text)
    if (await this.#isThere(hash, sizeBytes, intake)) return hash
    const file = await this.#owner.temporary()
    writeFileSync(file, text, { flag: 'wx' })
    intake.files.set(this.path(hash), { file, sizeBytes })
    return hash
  }

  async #isThere(hash: ContentHash, sizeBytes: number, { files, folders }: Intake): Promise<boolean> {
    const path = this.path(hash)
    const folder = dirname(path)
    // Also of a blob that is there already: whoever put it in may not have got round to syncing its name.
    folders.add(folder)
    if (!this.#lastingFolders.has(folder)) folders.add(this.#layout.blobs)
    return files.has(path) || (await this.check(hash, sizeBytes)) === 'whole'
  }

  /**
   * Puts in what was taken; a record may name it afterwards. What is to be synced as well goes `alongside`, in the
   * same wait for the disk.
   */
  async place({ files, folders }: Intake, alongside: readonly SizedFile[] = []): Promise<void> {
    const unsynced = [...files.values()].map(({ file, sizeBytes }) => ({ path: file, sizeBytes }))
    await syncFiles([...unsynced, ...alongside])
    for (const [path, incoming] of files) {
      await this.#moveIn(incoming, path)
      files.delete(path)
    }
    await syncFolders(folders)
    for (const folder of folders) this.#lastingFolders.add(folder)
  }

  /** Removes what was taken into files of the store's own and not placed. */
  discard({ files }: Intake): void {
    for (const { file, found } of files.values()) if (file !== found?.source) rmSync(file, { force: true })
  }

  async #moveIn({ file, found }: Incoming, path: string): Promise<void> {
    chmodSync(file, READ_ONLY)
    placeFile(file, path, { durable: false })
    if (found === undefined) return
    const { source, identity } = found
    const placed = statBlob(path)
    // Another inode is an equal blob that someone else put in at the same moment.
    if (placed === undefined || placed.ino !== identity.ino) return
    if (placed.size === identity.size && placed.mtimeNs === identity.mtimeNs) return
    await this.#quarantine.take(path)
    throw new StageFailure({
      code: 'output-changing',
      message: `${source} was still being written after its stage had returned`,
      hint: 'a stage must await all its writes',
      file: source,
    })
  }
}

function hasSize(stats: BigIntStats, sizeBytes: number | undefined): boolean {
  return stats.isFile() && (sizeBytes === undefined || stats.size === BigInt(sizeBytes))
}

function statBlob(path: string): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false })
}
