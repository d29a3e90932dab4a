/**
 * @file Folders built from blobs for stages to read. A view is made of hard links where it can be, so that a large model
 * lies on the disk once; mode 0444 does not stop root from writing through a link, so views are looked over
 * after use.
 */
import { existsSync, lstatSync, readdirSync } from 'node:fs'
import { chmod, constants, copyFile, link, mkdir, rename, rm } from 'node:fs/promises'
import { join, normalize } from 'node:path'
import type { StatCache } from '../fingerprint/stat-cache.ts'
import type { TreeEntry } from '../fingerprint/tree.ts'
import type { ContentHash } from '../identity.ts'
import type { Blobs } from './blobs.ts'
import type { Layout } from './layout.ts'
import type { Owner } from './owner.ts'
import type { Trees } from './trees.ts'

const READ_ONLY_PROGRAM = 0o555
const READ_ONLY = 0o444

export class Views {
  readonly #layout: Layout
  readonly #statCache: StatCache
  readonly #owner: Owner
  readonly #blobs: Blobs
  readonly #trees: Trees

  constructor(layout: Layout, statCache: StatCache, owner: Owner, blobs: Blobs, trees: Trees) {
    this.#layout = layout
    this.#statCache = statCache
    this.#owner = owner
    this.#blobs = blobs
    this.#trees = trees
  }

  /** Path of a view whose blobs have just been checked; built, or rebuilt where something altered it. */
  async of(tree: ContentHash): Promise<string> {
    const view = this.#layout.view(tree)
    const entries = this.#trees.read(tree)
    if ((await this.difference(tree, entries)) === undefined) return view
    const built = await this.#owner.temporary()
    await this.#build(built, entries)
    // What stands there by now may be another process's, whole and in use: only what is not as it should be goes.
    while (!(await placed(built, view))) {
      if ((await this.difference(tree, entries)) === undefined) {
        await rm(built, { recursive: true, force: true })
        return view
      }
      await this.#removeAside(view)
    }
    return view
  }

  /** The first thing in which the view is not what its listing says; `undefined` where it is all right. */
  async difference(tree: ContentHash, known?: readonly TreeEntry[]): Promise<string | undefined> {
    const view = this.#layout.view(tree)
    const entries = known ?? this.#trees.read(tree)
    const root = lstatSync(view, { throwIfNoEntry: false })
    if (!root?.isDirectory()) return 'the view does not exist'
    const found = new Set(readdirSync(view, { recursive: true, encoding: 'utf8' }))
    for (const entry of entries) {
      if (!found.delete(normalize(entry.path))) return `${entry.path} is gone`
      if (!(await this.#isAsListed(view, entry))) return `${entry.path} was changed`
    }
    const [extra] = found
    return extra === undefined ? undefined : `${extra} was added`
  }

  /** Of a value that has been made anew: what altered its blobs altered the view with them. */
  async removeAltered(tree: ContentHash): Promise<void> {
    const view = this.#layout.view(tree)
    if (existsSync(view) && (await this.difference(tree)) !== undefined) await this.#removeAside(view)
  }

  async #isAsListed(view: string, entry: TreeEntry): Promise<boolean> {
    const path = join(view, entry.path)
    const stats = lstatSync(path)
    if (entry.kind === 'folder') return stats.isDirectory()
    if (!stats.isFile()) return false
    const blob = lstatSync(this.#blobs.path(entry.hash), { throwIfNoEntry: false })
    if (!entry.executable && blob?.ino === stats.ino && blob.dev === stats.dev) return true
    return (await this.#statCache.hashFile(path)).hash === entry.hash
  }

  async #build(root: string, entries: readonly TreeEntry[]): Promise<void> {
    await mkdir(root)
    for (const entry of entries) {
      const path = join(root, entry.path)
      // A listing is sorted, so that a folder comes before what it holds.
      if (entry.kind === 'folder') await mkdir(path)
      else if (entry.executable) await this.#copy(entry.hash, path, READ_ONLY_PROGRAM)
      else await this.#link(entry.hash, path)
    }
  }

  async #link(hash: ContentHash, path: string): Promise<void> {
    try {
      await link(this.#blobs.path(hash), path)
    } catch (error) {
      // Too many links to one file, or a file system that knows none.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw error
      await this.#copy(hash, path, READ_ONLY)
    }
  }

  async #copy(hash: ContentHash, path: string, mode: number): Promise<void> {
    await copyFile(this.#blobs.path(hash), path, constants.COPYFILE_FICLONE)
    await chmod(path, mode)
  }

  async #removeAside(view: string): Promise<void> {
    const aside = await this.#owner.temporary()
    try {
      await rename(view, aside)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    await rm(aside, { recursive: true, force: true })
  }
}

/** False where something stands there already. */
async function placed(folder: string, destination: string): Promise<boolean> {
  try {
    await rename(folder, destination)
    return true
  } catch (error) {
    if (!isOccupied(error)) throw error
    return false
  }
}

function isOccupied(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException
  return code === 'ENOTEMPTY' || code === 'EEXIST' || code === 'ENOTDIR'
}
