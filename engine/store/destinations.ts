/**
 * @file Values written to the user's own folders. What the engine did not write there is never touched: the ledger says
 * what it wrote, and the content at a destination must still be that, byte for byte, before it is replaced.
 */
import { chmodSync, constants, copyFileSync, lstatSync, mkdirSync, renameSync, statSync } from 'node:fs'
import { copyFile, rm } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { Diagnostic } from '../diagnostic.ts'
import { smallBytes } from '../fingerprint/hash.ts'
import type { StatCache } from '../fingerprint/stat-cache.ts'
import { hashValue, type ValueKind } from '../fingerprint/value.ts'
import type { ContentHash } from '../identity.ts'
import { isStageFailure } from '../stage/failure.ts'
import { isSystemError, machineFailure } from '../stage/machine-failure.ts'
import type { Blobs } from './blobs.ts'
import type { Ledger, LedgerEntry, WrittenValue } from './ledger.ts'
import { isHeld, withLock } from './lock.ts'
import type { Owner } from './owner.ts'
import { syncFile, syncFolder } from './sync.ts'
import type { Trees } from './trees.ts'

const FILE_MODE = 0o644
const PROGRAM_MODE = 0o755

export type Materialised =
  | { readonly state: 'written' | 'unchanged'; readonly fault?: undefined }
  | { readonly fault: Diagnostic }

/** What lies at a destination. `foreign`: nothing that the engine could have written (a link, a device, ...). */
type Found = { readonly kind: 'nothing' } | { readonly kind: 'foreign'; readonly what: string } | WrittenValue

export class Destinations {
  readonly #statCache: StatCache
  readonly #owner: Owner
  readonly #blobs: Blobs
  readonly #trees: Trees
  readonly #ledger: Ledger

  constructor(statCache: StatCache, owner: Owner, blobs: Blobs, trees: Trees, ledger: Ledger) {
    this.#statCache = statCache
    this.#owner = owner
    this.#blobs = blobs
    this.#trees = trees
    this.#ledger = ledger
  }

  /**
   * The fault that `materialise` would report, or nothing. Without `wanted` (the value is not made yet) only what the
   * engine wrote, or nothing at all, may lie there. Writes nothing.
   */
  async check(destination: string, wanted?: WrittenValue): Promise<Diagnostic | undefined> {
    try {
      const found = await this.#look(destination)
      if (wanted !== undefined && isSame(found, wanted)) return undefined
      return this.#conflict(destination, found, this.#ledger.read(destination))
    } catch (error) {
      return this.#unwritable(destination, error)
    }
  }

  /** The value's blobs have just been checked. */
  async materialise(wanted: WrittenValue, destination: string): Promise<Materialised> {
    try {
      // Nothing is written, not even a lock, for a destination that is as it should be.
      const entry = this.#ledger.read(destination)
      const settled = entry !== undefined && entry.writing === undefined && isSame(entry.value, wanted)
      if (settled && isSame(await this.#look(destination), wanted)) return { state: 'unchanged' }
      const lock = this.#ledger.lockOf(destination)
      let done: Materialised | undefined
      while (done === undefined)
        done = await withLock(this.#owner, lock, () => this.#replace(wanted, destination, lock))
      return done
    } catch (error) {
      const fault = this.#unwritable(destination, error)
      if (fault === undefined) throw error
      return { fault }
    }
  }

  /** `undefined` where another process took over, since this one was suspended: then look anew. */
  async #replace(wanted: WrittenValue, destination: string, lock: string): Promise<Materialised | undefined> {
    const entry = this.#ledger.read(destination)
    // The lock is ours: whoever set `writing` is dead.
    await this.#removeTemporaries(destination, entry)
    let found = await this.#look(destination)
    if (isSame(found, wanted)) {
      await this.#ledger.write(destination, { value: wanted })
      return { state: 'unchanged' }
    }
    const fault = this.#conflict(destination, found, entry)
    if (fault !== undefined) return { fault }

    const suffix = this.#owner.freshName()
    const [incoming, outgoing] = [
      `.${basename(destination)}.new-${suffix}`,
      `.${basename(destination)}.old-${suffix}`,
    ]
    const previous = found.kind === 'file' || found.kind === 'folder' ? found : null
    await this.#ledger.write(destination, {
      value: wanted,
      writing: { previous, temporaries: [incoming, outgoing] },
    })
    const folder = dirname(destination)
    const created = mkdirSync(folder, { recursive: true })
    try {
      await this.#copyOut(wanted, join(folder, incoming))
    } catch (error) {
      // Most likely the disk is full: do not wait for the next run to give the space back.
      await rm(join(folder, incoming), { recursive: true, force: true })
      throw error
    }

    // Copying took its time: the user may have edited the destination meanwhile.
    const before = found
    found = await this.#look(destination)
    const late = isSame(found, before) ? undefined : this.#conflict(destination, found, entry)
    if (late !== undefined) {
      await rm(join(folder, incoming), { recursive: true, force: true })
      if (previous !== null) await this.#ledger.write(destination, { value: previous })
      return { fault: late }
    }
    if (!isHeld(this.#owner, lock)) {
      await rm(join(folder, incoming), { recursive: true, force: true })
      return undefined
    }
    await swap(
      join(folder, incoming),
      destination,
      join(folder, outgoing),
      found.kind === 'folder' || wanted.kind === 'folder',
    )
    syncFolder(folder)
    if (created !== undefined) syncFolder(dirname(created))
    await this.#ledger.write(destination, { value: wanted })
    return { state: 'written' }
  }

  async #copyOut({ kind, hash }: WrittenValue, path: string): Promise<void> {
    if (kind === 'file') return this.#copyFile(hash, path, FILE_MODE)
    mkdirSync(path)
    for (const entry of this.#trees.read(hash)) {
      const target = join(path, entry.path)
      if (entry.kind === 'folder') mkdirSync(target)
      else await this.#copyFile(entry.hash, target, entry.executable ? PROGRAM_MODE : FILE_MODE)
    }
  }

  async #copyFile(hash: ContentHash, path: string, mode: number): Promise<void> {
    const blob = this.#blobs.path(hash)
    const { size } = statSync(blob)
    if (size <= smallBytes) copyFileSync(blob, path, constants.COPYFILE_FICLONE)
    else await copyFile(blob, path, constants.COPYFILE_FICLONE)
    chmodSync(path, mode)
    // Before the rename: a power cut must not leave half a file that then looks like the user's.
    await syncFile({ path, sizeBytes: size })
  }

  async #removeTemporaries(destination: string, entry: LedgerEntry | undefined): Promise<void> {
    for (const name of entry?.writing?.temporaries ?? []) {
      await rm(join(dirname(destination), name), { recursive: true, force: true })
    }
  }

  async #look(destination: string): Promise<Found> {
    const stats = lstatSync(destination, { throwIfNoEntry: false })
    if (stats === undefined) return { kind: 'nothing' }
    if (stats.isSymbolicLink()) return { kind: 'foreign', what: 'a symbolic link' }
    const kind: ValueKind | undefined = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : undefined
    if (kind === undefined) return { kind: 'foreign', what: 'neither a file nor a folder' }
    try {
      const { hash } = await hashValue(destination, kind, this.#statCache)
      return { kind, hash }
    } catch (error) {
      // Something in it cannot be hashed, so the engine did not write it.
      if (isStageFailure(error)) return { kind: 'foreign', what: `a ${kind} that Flow cannot have written` }
      throw error
    }
  }

  #conflict(destination: string, found: Found, entry: LedgerEntry | undefined): Diagnostic | undefined {
    if (found.kind === 'nothing') return undefined
    const ours = [entry?.value, entry?.writing?.previous].filter((value) => value != null)
    if (ours.some((value) => isSame(found, value))) return undefined
    const name = this.#ledger.nameOf(destination)
    const edited = entry !== undefined && found.kind === entry.value.kind
    const message =
      found.kind === 'foreign'
        ? `output path ${name} holds ${found.what}`
        : edited
          ? `output path ${name} was changed since Flow wrote it`
          : `output path ${name} holds a ${found.kind} that Flow did not write`
    const hint =
      'move or delete it, or name another path under `out`; Flow never overwrites what it did not write'
    return { code: 'output-not-ours', severity: 'error', message, hint }
  }

  /** `undefined` where the error is not the file system's refusal: then it is a bug. */
  #unwritable(destination: string, error: unknown): Diagnostic | undefined {
    if (!isSystemError(error)) return undefined
    const refused = machineFailure(error)
    return {
      code: 'output-not-writable',
      severity: 'error',
      message: `output path ${this.#ledger.nameOf(destination)} cannot be written: ${refused?.message ?? error.message}`,
      hint: refused?.hint ?? 'check the permissions and the free space of its folder',
    }
  }
}

function isSame(found: Found, value: Found): boolean {
  if (found.kind === 'nothing' || value.kind === 'nothing') return found.kind === value.kind
  if (found.kind === 'foreign' || value.kind === 'foreign') return false
  return found.kind === value.kind && found.hash === value.hash
}

/** A file is replaced in one step. A folder cannot be: for an instant there is none, which the ledger accounts for. */
async function swap(
  incoming: string,
  destination: string,
  outgoing: string,
  viaAside: boolean,
): Promise<void> {
  if (!viaAside) return renameSync(incoming, destination)
  const replaces = lstatSync(destination, { throwIfNoEntry: false }) !== undefined
  if (replaces) renameSync(destination, outgoing)
  try {
    renameSync(incoming, destination)
  } catch (error) {
    if (replaces) renameSync(outgoing, destination)
    throw error
  }
  await rm(outgoing, { recursive: true, force: true })
}
