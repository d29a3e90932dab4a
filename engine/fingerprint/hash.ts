/** @file sha256 of texts and of files, and the identity of a file's bytes at the moment they were read. */
import { createHash, hash } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import type { ContentHash } from '../identity.ts'
import { StageFailure } from '../stage/failure.ts'

const READ_BYTES = 1 << 20
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
  const file = await open(path, 'r')
  try {
    for (let attempt = 0; attempt < READ_ATTEMPTS; attempt++) {
      const before = identityOf(await file.stat({ bigint: true }))
      const hash = await hashBytes(file, Number(before.size))
      const after = identityOf(await file.stat({ bigint: true }))
      if (sameIdentity(before, after)) return { hash, sizeBytes: Number(after.size), identity: after }
    }
  } finally {
    await file.close()
  }
  throw new StageFailure({
    code: 'value-changing',
    message: `${path} keeps changing while it is read`,
    hint: 'wait until whatever writes it has finished',
    file: path,
    retryable: true,
  })
}

/** Reads one chunk while it digests the one before. */
async function hashBytes(file: FileHandle, expectedBytes: number): Promise<ContentHash> {
  const digest = createHash('sha256')
  // One byte more than the file holds, so that a small file ends with its first read but one.
  const chunkBytes = Math.min(READ_BYTES, expectedBytes + 1)
  let [filling, filled] = [Buffer.allocUnsafe(chunkBytes), Buffer.allocUnsafe(chunkBytes)]
  let position = 0
  let reading = file.read(filling, 0, chunkBytes, position)
  for (;;) {
    const { bytesRead } = await reading
    if (bytesRead === 0) return digest.digest('hex') as ContentHash
    position += bytesRead
    ;[filling, filled] = [filled, filling]
    reading = file.read(filling, 0, chunkBytes, position)
    digest.update(bytesRead === chunkBytes ? filled : filled.subarray(0, bytesRead))
  }
}
