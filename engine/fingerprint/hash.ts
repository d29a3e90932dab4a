/** @file sha256 of texts and of files, and the identity of a file's bytes at the moment they were read. */
import { createHash, hash } from 'node:crypto'
import { type BigIntStats, closeSync, fstatSync, openSync, readSync } from 'node:fs'
import type { ContentHash } from '../identity.ts'
import { StageFailure } from '../stage/failure.ts'

const READ_BYTES = 256 * 1024
const TURN_MS = 10
/**
 * Up to this size a file is read, copied and synced at once: that takes less time than handing the work to another
 * thread, call by call.
 */
export const smallBytes = 1 << 20
/** A file that changes while it is read is read again this often before it is given up. */
const READ_ATTEMPTS = 3

export function sha256(data: string | Uint8Array): string {
  return hash('sha256', data)
}

/** What tells one state of a file's bytes from another without reading them. */
export interface FileIdentity {
  readonly dev: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
}

export function sameIdentity(a: FileIdentity, b: FileIdentity): boolean {
  return (
    a.ino === b.ino &&
    a.ctimeNs === b.ctimeNs &&
    a.mtimeNs === b.mtimeNs &&
    a.size === b.size &&
    a.dev === b.dev
  )
}

export function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): FileIdentity {
  return { dev, ino, size, mtimeNs, ctimeNs }
}

export interface HashedFile {
  readonly hash: ContentHash
  readonly sizeBytes: number
  /** The same before and after the bytes were read. */
  readonly identity: FileIdentity
}

/**
 * Hashes the bytes of a file. Throws a `StageFailure` (`value-changing`) where the file keeps changing
 * while it is read: such a hash would name bytes that never existed.
 */
export async function hashFile(path: string): Promise<HashedFile> {
  for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
    const hashed = hashSmall(path) ?? (await hashLarge(path))
    if (hashed !== 'changing') return hashed
  }
  throw new StageFailure({
    code: 'value-changing',
    message: `${path} keeps changing while it is read`,
    hint: 'wait until whatever writes it has finished',
    file: path,
    retryable: true,
  })
}

/** Nothing of a file that is not small. */
function hashSmall(path: string): HashedFile | 'changing' | undefined {
  const file = openSync(path, 'r')
  try {
    const before = identityOf(fstatSync(file, { bigint: true }))
    if (before.size > smallBytes) return undefined
    // Should it have grown meanwhile, its identity tells.
    const bytes = Buffer.allocUnsafe(Number(before.size))
    let filled = 0
    for (let read = -1; read !== 0 && filled < bytes.length; filled += read) {
      read = readSync(file, bytes, filled, bytes.length - filled, filled)
    }
    const hash = sha256(bytes.subarray(0, filled)) as ContentHash
    const after = identityOf(fstatSync(file, { bigint: true }))
    return sameIdentity(before, after) ? { hash, sizeBytes: filled, identity: after } : 'changing'
  } finally {
    closeSync(file)
  }
}

async function hashLarge(path: string): Promise<HashedFile | 'changing'> {
  const file = openSync(path, 'r')
  try {
    const before = identityOf(fstatSync(file, { bigint: true }))
    const hash = await hashBytes(file)
    const after = identityOf(fstatSync(file, { bigint: true }))
    return sameIdentity(before, after) ? { hash, sizeBytes: Number(after.size), identity: after } : 'changing'
  } finally {
    closeSync(file)
  }
}

/**
 * Reads and digests in turns: a chunk stays in the processor's cache between the two, which is worth more than reading
 * the next one meanwhile on another core. Others get their turn after each `TURN_MS`.
 */
async function hashBytes(file: number): Promise<ContentHash> {
  const digest = createHash('sha256')
  const chunk = Buffer.allocUnsafe(READ_BYTES)
  let turnBegan = performance.now()
  for (;;) {
    const bytesRead = readSync(file, chunk, 0, chunk.length, null)
    if (bytesRead === 0) return digest.digest('hex') as ContentHash
    digest.update(bytesRead === chunk.length ? chunk : chunk.subarray(0, bytesRead))
    if (performance.now() - turnBegan < TURN_MS) continue
    await new Promise((resolve) => setImmediate(resolve))
    turnBegan = performance.now()
  }
}
