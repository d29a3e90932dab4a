/** @file The content hash of a value: of a file's bytes, or of a folder's listing. */
import { statSync } from 'node:fs'
import { StageFailure } from '../stage/failure.ts'
import { identityOf } from './hash.ts'
import type { FileHash, StatCache } from './stat-cache.ts'
import { listTree, type TreeEntry, type TreeListing, walkTree } from './tree.ts'

export type ValueKind = 'file' | 'folder'

/**
 * Throws a `StageFailure`: `value-missing`, `value-kind` (a folder where a file is wanted, or the reverse), or what
 * `hashFile` and `walkTree` throw.
 */
export async function hashValue(path: string, kind: ValueKind, cache: StatCache): Promise<FileHash> {
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined) {
    throw new StageFailure({ code: 'value-missing', message: `there is no ${kind} at ${path}`, file: path })
  }
  const found = stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : 'neither a file nor a folder'
  if (found !== kind) {
    const what = found === 'file' || found === 'folder' ? `a ${found}` : found
    throw new StageFailure({ code: 'value-kind', message: `${path} is ${what}, not a ${kind}`, file: path })
  }
  if (kind === 'file') return cache.hashFile(path)
  const { hash, sizeBytes } = await hashTree(path, cache)
  return { hash, sizeBytes }
}

export async function hashTree(root: string, cache: StatCache): Promise<TreeListing> {
  const entries: TreeEntry[] = []
  for (const entry of walkTree(root)) {
    if (entry.kind === 'folder') {
      entries.push(entry)
      continue
    }
    const { path, executable, location, stats } = entry
    const known = cache.peek(identityOf(stats))
    const { hash, sizeBytes } =
      known === undefined ? await cache.hashFile(location) : { hash: known, sizeBytes: Number(stats.size) }
    entries.push({ kind: 'file', path, executable, hash, sizeBytes })
  }
  return listTree(entries)
}
