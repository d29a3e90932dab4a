/**
 * @file What the values behind earlier keys were made of. Outputs of nodes are in the store and can be read again; of
 * a user's own files, which change in place, an outline is kept: a few bytes a row, never their content.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { sha256 } from '../fingerprint/hash.ts'
import { MAX_OUTLINED_BYTES, type Outline, outlineOf, outlineOfFolder } from '../fingerprint/outline.ts'
import type { StatCache } from '../fingerprint/stat-cache.ts'
import { hashTree } from '../fingerprint/value.ts'
import type { ContentHash } from '../identity.ts'
import { writeAtomically } from './atomic-write.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import { readSealed, seal } from './sealed-json.ts'

/** Of values with more rows, lines, fields or files only the size is kept. About 220 kB. */
const MAX_KEPT_DIGESTS = 20_000
/** The oldest go first. */
const MAX_KEPT_OUTLINES = 512
const MAX_KEPT_BYTES = 16 << 20

export class Outlines {
  readonly #layout: Layout
  readonly #owner: Owner
  readonly #statCache: StatCache
  #added = false

  constructor(layout: Layout, owner: Owner, statCache: StatCache) {
    this.#layout = layout
    this.#owner = owner
    this.#statCache = statCache
  }

  /** Of the value with this hash, from where it may still be known: in the store, kept, or at `path` (absolute). */
  async find(hash: ContentHash, path?: string): Promise<Outline | undefined> {
    const stored = outlineOfFile(this.#layout.blob(hash), hash)
    if (stored !== undefined) return stored
    const kept = readSealed(this.#layout.outline(hash))
    if (kept.state === 'whole') return kept.value as Outline
    return path === undefined ? undefined : await this.#outlineAt(path, hash)
  }

  /** Keeps what the value at `path` (absolute) is made of, unless it is known already. */
  async remember(hash: ContentHash, path: string): Promise<void> {
    const place = this.#layout.outline(hash)
    if (readSealed(place).state === 'whole') return
    const outline = await this.#outlineAt(path, hash)
    if (outline === undefined) return
    // Only reasons depend on it: not worth a wait for the disk.
    const temporary = await this.#owner.temporary()
    writeAtomically(place, seal(withinBounds(outline)), temporary, { durable: false })
    this.#added = true
  }

  /** Removes the oldest where there are too many. */
  async trim(): Promise<void> {
    if (!this.#added) return
    this.#added = false
    const kept = readdirSync(this.#layout.outlines)
      .map((name) => `${this.#layout.outlines}/${name}`)
      .flatMap((path) => {
        const stats = statSync(path, { throwIfNoEntry: false })
        return stats === undefined ? [] : [{ path, mtimeMs: stats.mtimeMs, sizeBytes: stats.size }]
      })
      .sort((one, other) => other.mtimeMs - one.mtimeMs)
    let sizeBytes = 0
    for (const [index, outline] of kept.entries()) {
      sizeBytes += outline.sizeBytes
      if (index >= MAX_KEPT_OUTLINES || sizeBytes > MAX_KEPT_BYTES) await rm(outline.path, { force: true })
    }
  }

  async #outlineAt(path: string, hash: ContentHash): Promise<Outline | undefined> {
    try {
      if (!statSync(path).isDirectory()) return outlineOfFile(path, hash)
      const listing = await hashTree(path, this.#statCache)
      return listing.hash === hash ? outlineOfFolder(listing.entries) : undefined
    } catch {
      // It went away, or cannot be read: then there is less to tell.
      return undefined
    }
  }
}

/** Absent where the file is not there, or holds other bytes than `hash` names. */
function outlineOfFile(path: string, hash: ContentHash): Outline | undefined {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined || !stats.isFile()) return undefined
  if (stats.size > MAX_OUTLINED_BYTES) return { kind: 'bytes', sizeBytes: stats.size }
  try {
    const bytes = readFileSync(path)
    return sha256(bytes) === hash ? outlineOf(bytes) : undefined
  } catch {
    return undefined
  }
}

function withinBounds(outline: Outline): Outline {
  if (outline.kind === 'bytes' || Object.keys(outline.digests).length <= MAX_KEPT_DIGESTS) return outline
  return { kind: 'bytes', sizeBytes: outline.sizeBytes }
}
