/**
 * @file Whether a source file is still what it was, mostly by its stats. A file that was changed within the clock's
 * granularity of being read could change again without a new time; such a stamp is not trusted and the content is
 * compared.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'

const clockGranularityMs = 50

export interface FileStamp {
  readonly path: string
  /** Size, mtime and ctime; null where they prove nothing. */
  readonly stats: string | null
  /** Lower-case hex sha256 of the content. */
  readonly hash: string
}

/** Reads a file and stamps exactly the bytes that were read. */
export function readStamped(path: string): { stamp: FileStamp; bytes: Buffer } {
  // The stats come first: a change after them shows as different stats later.
  const stats = statText(path) ?? null
  const bytes = fs.readFileSync(path)
  return { stamp: { path, stats, hash: hashBytes(bytes) }, bytes }
}

export function hashBytes(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

/** undefined: the file is gone; null: it is there, but was changed just now. */
export function statText(path: string): string | null | undefined {
  const stats = fs.statSync(path, { bigint: true, throwIfNoEntry: false })
  if (stats === undefined || !stats.isFile()) return undefined
  if (Number(stats.mtimeMs) > Date.now() - clockGranularityMs) return null
  return `${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
}

/** Answers for many modules that share files, with one stat a file. Good for one moment only. */
export class StampChecker {
  readonly #stats = new Map<string, string | null | undefined>()
  readonly #present = new Map<string, boolean>()

  /** `renewed`: the content is the same though the stats changed. */
  check(stamp: FileStamp): 'same' | 'renewed' | 'changed' {
    if (!this.#stats.has(stamp.path)) this.#stats.set(stamp.path, statText(stamp.path))
    const now = this.#stats.get(stamp.path)
    if (now === undefined) return 'changed'
    if (now !== null && now === stamp.stats) return 'same'
    return hashBytes(fs.readFileSync(stamp.path)) === stamp.hash ? 'renewed' : 'changed'
  }

  isAbsent(path: string): boolean {
    let present = this.#present.get(path)
    if (present === undefined) {
      present = fs.existsSync(path)
      this.#present.set(path, present)
    }
    return !present
  }
}
