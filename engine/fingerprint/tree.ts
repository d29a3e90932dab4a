/**
 * @file A folder as a value: a listing of everything in it, whose sha256 is the folder's content hash.
 *
 *     flow-tree 1
 *     file <sha256> <bytes> "config.json"
 *     folder "empty"
 *     program <sha256> <bytes> "run.sh"
 *
 * One line an entry, sorted by the bytes of the path; `program` is a file with its owner's exec bit. Paths are relative,
 * with `/`, written as JSON strings. Symbolic links are followed: a folder's value is what a reader of it sees.
 */
import { isUtf8 } from 'node:buffer'
import { type BigIntStats, lstatSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { ContentHash } from '../identity.ts'
import { StageFailure } from '../stage/failure.ts'
import { sha256 } from './hash.ts'

const HEADER = 'flow-tree 1'
const OWNER_EXECUTES = 0o100n

export type TreeEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 'file'
      /** Relative to the folder, with `/`. */
      readonly path: string
      readonly executable: boolean
      readonly hash: ContentHash
      readonly sizeBytes: number
    }

export interface TreeListing {
  /** Sorted by the bytes of their paths. */
  readonly entries: readonly TreeEntry[]
  readonly text: string
  readonly hash: ContentHash
  /** Sum over the files. */
  readonly sizeBytes: number
}

export function listTree(entries: readonly TreeEntry[]): TreeListing {
  const sorted = entries
    .map((entry) => ({ entry, bytes: Buffer.from(entry.path) }))
    // Not the order of JavaScript strings, which puts U+10000 before U+E000.
    .sort((a, b) => Buffer.compare(a.bytes, b.bytes))
    .map(({ entry }) => entry)
  const text = [HEADER, ...sorted.map(formatEntry), ''].join('\n')
  const sizeBytes = sorted.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.sizeBytes : 0), 0)
  return { entries: sorted, text, hash: sha256(text) as ContentHash, sizeBytes }
}

function formatEntry(entry: TreeEntry): string {
  const path = JSON.stringify(entry.path)
  if (entry.kind === 'folder') return `folder ${path}`
  return `${entry.executable ? 'program' : 'file'} ${entry.hash} ${entry.sizeBytes} ${path}`
}

const LINE = /^(?:folder|(file|program) ([0-9a-f]{64}) (\d+)) (".*")$/

/** The entries of a listing; `undefined` where the text is not one, or names a path outside its folder. */
export function parseTree(text: string): readonly TreeEntry[] | undefined {
  const lines = text.split('\n')
  if (lines[0] !== HEADER || lines.at(-1) !== '') return undefined
  const entries: TreeEntry[] = []
  for (const line of lines.slice(1, -1)) {
    const [, kind, hash, size, quoted] = LINE.exec(line) ?? []
    if (quoted === undefined) return undefined
    let path: string
    try {
      path = JSON.parse(quoted)
    } catch {
      return undefined
    }
    if (path.split('/').some((name) => name === '' || name === '.' || name === '..')) return undefined
    if (kind === undefined) entries.push({ kind: 'folder', path })
    else {
      const executable = kind === 'program'
      entries.push({ kind: 'file', path, executable, hash: hash as ContentHash, sizeBytes: Number(size) })
    }
  }
  return entries
}

export type WalkedEntry =
  | { readonly kind: 'folder'; readonly path: string }
  | {
      readonly kind: 'file'
      readonly path: string
      readonly executable: boolean
      /** Where to read it. */
      readonly location: string
      readonly stats: BigIntStats
      /** Reached through a symbolic link, or has other names: not this folder's alone. */
      readonly shared: boolean
    }

/**
 * Everything below `root`, in no particular order. Throws a `StageFailure` (`unhashable-entry`) that names the
 * culprit: a link that leads nowhere or back into itself, a socket, pipe or device, a name that is not UTF-8.
 */
export function walkTree(root: string): WalkedEntry[] {
  const found: WalkedEntry[] = []
  visit(root, '', new Set([realpathSync(root)]), lstatSync(root).isSymbolicLink())
  return found

  function visit(folder: string, prefix: string, ancestors: ReadonlySet<string>, linked: boolean): void {
    for (const dirent of readdirSync(folder, { withFileTypes: true, encoding: 'buffer' })) {
      // @types/node 20 has no Dirent of Buffers.
      const bytes = dirent.name as unknown as Buffer
      const name = bytes.toString()
      const path = prefix + name
      const location = join(folder, name)
      if (!isUtf8(bytes)) throw unhashable(root, path, 'has a name that is not UTF-8')
      const viaLink = linked || dirent.isSymbolicLink()
      const stats = statSync(location, { bigint: true, throwIfNoEntry: false })
      if (stats === undefined) throw unhashable(root, path, 'is a symbolic link that leads nowhere')
      if (stats.isDirectory()) {
        found.push({ kind: 'folder', path })
        const real = realpathSync(location)
        if (ancestors.has(real)) throw unhashable(root, path, 'is a symbolic link to a folder that holds it')
        visit(location, `${path}/`, new Set([...ancestors, real]), viaLink)
      } else if (stats.isFile()) {
        const executable = (stats.mode & OWNER_EXECUTES) !== 0n
        found.push({ kind: 'file', path, executable, location, stats, shared: viaLink || stats.nlink > 1n })
      } else {
        throw unhashable(root, path, 'is neither a file nor a folder')
      }
    }
  }
}

function unhashable(root: string, path: string, what: string): StageFailure {
  return new StageFailure({
    code: 'unhashable-entry',
    message: `${path} in ${root} ${what}`,
    hint: 'a folder artifact may hold files, folders, and links to them',
    file: join(root, path),
  })
}
