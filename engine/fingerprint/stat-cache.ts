/**
 * @file Content hashes of files that have not changed since they were hashed, told by one `stat` each.
 *
 * Invariant: an entry is kept only when the file's mtime and ctime both lie further back than the clock's granularity
 * at the moment its hashing began. Any later change of the file then gives it another ctime, which no program can set.
 * Entries are keyed by (dev, ino), so they survive a rename; a path is not part of a file's identity.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ContentHash } from '../identity.ts'
import { type FileIdentity, type HashedFile, hashFile, identityOf, sha256 } from './hash.ts'

const HEADER = 'flow-stat-cache 1'
const HASH_LENGTH = 64
/** About 6 MB on disk. The oldest go first. */
const MAX_ENTRIES = 50_000
/** Kernels stamp files with a clock that ticks every 1 to 10 ms. */
const FINE_GRANULARITY_NS = 20_000_000n
/** Whole seconds betray a file system that keeps no finer times; FAT keeps every second one. */
const COARSE_GRANULARITY_NS = 2_000_000_000n
const SECOND_NS = 1_000_000_000n

export interface FileHash {
  readonly hash: ContentHash
  readonly sizeBytes: number
}

export interface StatCacheOptions {
  /** Wall clock in nanoseconds since the epoch. */
  readonly now?: () => bigint
}

export class StatCache {
  /** How many files were read because no entry vouched for them. */
  filesHashed = 0
  readonly #file: string
  readonly #now: () => bigint
  /** "dev ino" -> "size mtimeNs ctimeNs hash". Text, since most entries are read and written back unseen. */
  readonly #entries: Map<string, string>
  #changed = false

  /** A missing, damaged or foreign file is an empty cache. */
  constructor(file: string, options: StatCacheOptions = {}) {
    this.#file = file
    this.#now = options.now ?? (() => BigInt(Date.now()) * 1_000_000n)
    this.#entries = read(file)
  }

  /** Hash of the file at `path` (symbolic links followed). Errors of the file system pass through. */
  async hashFile(path: string): Promise<FileHash> {
    const identity = identityOf(statSync(path, { bigint: true }))
    const known = this.peek(identity)
    return known === undefined ? this.readFile(path) : { hash: known, sizeBytes: Number(identity.size) }
  }

  /** As `hashFile`, of a file that no entry vouches for. */
  async readFile(path: string): Promise<FileHash> {
    const beganNs = this.#now()
    const hashed = await hashFile(path)
    this.filesHashed++
    if (!isRacy(hashed.identity, beganNs)) this.#keep(hashed)
    return { hash: hashed.hash, sizeBytes: hashed.sizeBytes }
  }

  /** The hash of the file with this identity, if it is known without reading. */
  peek(identity: FileIdentity): ContentHash | undefined {
    const entry = this.#entries.get(fileKey(identity))
    return entry?.startsWith(stateOf(identity)) ? (entry.slice(-HASH_LENGTH) as ContentHash) : undefined
  }

  #keep({ identity, hash }: HashedFile): void {
    const key = fileKey(identity)
    // A Map keeps the order of insertion: the newest entries are last, and the first are dropped first.
    this.#entries.delete(key)
    this.#entries.set(key, stateOf(identity) + hash)
    this.#changed = true
  }

  /**
   * Writes the cache where it changed. What another process wrote meanwhile is kept; should both write at once, one
   * of them loses its news and hashes again some day.
   */
  async flush(): Promise<void> {
    if (!this.#changed) return
    this.#changed = false
    const merged = read(this.#file)
    for (const [key, entry] of this.#entries) {
      merged.delete(key)
      merged.set(key, entry)
    }
    const lines = [...merged].slice(-MAX_ENTRIES).map(([key, entry]) => `${key} ${entry}`)
    const body = [HEADER, ...lines, ''].join('\n')
    const temporary = `${this.#file}.${process.pid}-${randomBytes(4).toString('hex')}`
    await mkdir(dirname(this.#file), { recursive: true })
    try {
      await writeFile(temporary, `${body}${sha256(body)}\n`)
      await rename(temporary, this.#file)
    } catch (error) {
      await rm(temporary, { force: true })
      throw error
    }
  }
}

/** Whether a file's times lie so close to when its reading began that a later change might leave them as they are. */
export function isRacy(
  { mtimeNs, ctimeNs }: Pick<FileIdentity, 'mtimeNs' | 'ctimeNs'>,
  beganNs: bigint,
): boolean {
  const newest = mtimeNs > ctimeNs ? mtimeNs : ctimeNs
  const granularityNs = newest % SECOND_NS === 0n ? COARSE_GRANULARITY_NS : FINE_GRANULARITY_NS
  return newest + granularityNs >= beganNs
}

function fileKey({ dev, ino }: FileIdentity): string {
  return `${dev} ${ino}`
}

/** Ends with a space, so that it is a prefix of its own entry only. */
function stateOf({ size, mtimeNs, ctimeNs }: FileIdentity): string {
  return `${size} ${mtimeNs} ${ctimeNs} `
}

function read(file: string): Map<string, string> {
  const entries = new Map<string, string>()
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    return entries
  }
  // The last line is the digest of all before it: a flipped digit must not pass for a file's hash.
  const bodyEnd = text.lastIndexOf('\n', text.length - 2) + 1
  const body = text.slice(0, bodyEnd)
  if (text.slice(bodyEnd) !== `${sha256(body)}\n`) return entries
  const [header, ...lines] = body.split('\n')
  if (header !== HEADER) return entries
  for (const line of lines) {
    const keyEnd = line.indexOf(' ', line.indexOf(' ') + 1)
    if (keyEnd > 0) entries.set(line.slice(0, keyEnd), line.slice(keyEnd + 1))
  }
  return entries
}
