/** @file Folders in the store: each file a blob, and the listing of them a blob too. */
import { readFileSync } from 'node:fs'
import type { FileHash } from '../fingerprint/stat-cache.ts'
import { listTree, parseTree, type TreeEntry, walkTree } from '../fingerprint/tree.ts'
import type { ValueKind } from '../fingerprint/value.ts'
import type { ContentHash } from '../identity.ts'
import type { Blobs, Intake } from './blobs.ts'

/** What is wrong with a value, in a few words: "model.safetensors is missing". */
export type Damage = string

export class Trees {
  readonly #blobs: Blobs

  constructor(blobs: Blobs) {
    this.#blobs = blobs
  }

  /** Takes the files below `root`, which is left alone from here on. */
  async takeFolder(root: string, intake: Intake): Promise<FileHash> {
    const entries: TreeEntry[] = []
    // Links must be read before the files that they lead to are moved away.
    const walked = walkTree(root).sort((a, b) => rank(a) - rank(b))
    for (const entry of walked) {
      if (entry.kind === 'folder') {
        entries.push(entry)
        continue
      }
      const taken = await this.#blobs.takeFile(entry.location, entry.shared, intake)
      entries.push({ kind: 'file', path: entry.path, executable: entry.executable, ...taken })
    }
    const listing = listTree(entries)
    await this.#blobs.takeText(listing.text, intake)
    return { hash: listing.hash, sizeBytes: listing.sizeBytes }
  }

  /** The entries of a folder whose listing is known to be whole. */
  read(hash: ContentHash): readonly TreeEntry[] {
    const entries = parseTree(readFileSync(this.#blobs.path(hash), 'utf8'))
    if (entries === undefined) throw new Error(`blob ${hash} is not the listing of a folder`)
    return entries
  }

  /** Whether a value is known to be whole without reading a byte but a listing's; `check` tells what is to be thought of it if not. */
  isUnchanged(hash: ContentHash, kind: ValueKind, sizeBytes: number): boolean {
    if (kind === 'file') return this.#blobs.isUnchanged(hash, sizeBytes)
    return (
      this.#blobs.isUnchanged(hash) &&
      this.read(hash).every(
        (entry) => entry.kind === 'folder' || this.#blobs.isUnchanged(entry.hash, entry.sizeBytes),
      )
    )
  }

  /** Everything that is wrong with the blobs of a value. Damaged ones have been quarantined. */
  async check(hash: ContentHash, kind: ValueKind, sizeBytes?: number): Promise<Damage[]> {
    if (kind === 'file') {
      const state = await this.#blobs.check(hash, sizeBytes)
      return state === 'whole' ? [] : [`is ${state}`]
    }
    const state = await this.#blobs.check(hash)
    if (state !== 'whole') return [`has a listing that is ${state}`]
    const damages: Damage[] = []
    for (const entry of this.read(hash)) {
      if (entry.kind === 'folder') continue
      const state = await this.#blobs.check(entry.hash, entry.sizeBytes)
      if (state !== 'whole') damages.push(`${entry.path} is ${state}`)
    }
    return damages
  }
}

function rank(entry: { readonly kind: string; readonly shared?: boolean }): number {
  return entry.kind === 'file' && entry.shared === true ? 0 : 1
}
