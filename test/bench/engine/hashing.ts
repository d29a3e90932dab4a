/** @file How fast a file is hashed, and what it takes to see that a large data set is unchanged. */
import { createHash, randomFillSync } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { StatCache } from '../../../engine/fingerprint/stat-cache.ts'
import { hashValue } from '../../../engine/fingerprint/value.ts'
import { median, timed } from '../works/measure.ts'

const chunkBytes = 1 << 20
const turns = 3
/** A file that was just written is read again by the next look at it. */
const settledMs = 2500

export interface HashingFigures {
  readonly gibibyte: { readonly hashSeconds: number; readonly limitSeconds: number }
  readonly recheck: {
    readonly files: number
    readonly bytes: number
    readonly seconds: number
    readonly bytesRead: number
  }
}

export async function measureHashing(folder: string, dataBytes: number): Promise<HashingFigures> {
  const file = join(folder, 'gibibyte')
  writeFilled(file, 1024)
  await delay(settledMs)
  const hashSeconds: number[] = []
  const limitSeconds: number[] = []
  for (let turn = 0; turn < turns; turn++) {
    // A cache of its own: each time is the first.
    const cache = new StatCache(join(folder, `cache-${turn}`))
    const startMs = performance.now()
    await cache.hashFile(file)
    hashSeconds.push((performance.now() - startMs) / 1000)
    limitSeconds.push(timed(() => hashFromMemory(1024)))
  }
  truncateSync(file)
  const recheck = await measureRecheck(join(folder, 'data'), dataBytes)
  return { gibibyte: { hashSeconds: median(hashSeconds), limitSeconds: median(limitSeconds) }, recheck }
}

/** Sparse files: they take no room, and are read like any other. */
async function measureRecheck(folder: string, bytes: number): Promise<HashingFigures['recheck']> {
  const files = 20
  mkdirSync(folder, { recursive: true })
  for (let index = 0; index < files; index++) {
    const handle = openSync(join(folder, `part-${index}`), 'w')
    writeSync(handle, String(index), Math.floor(bytes / files) - 8)
    closeSync(handle)
  }
  await delay(settledMs)
  const cache = new StatCache(join(folder, '..', 'data-cache'))
  const before = await hashValue(folder, 'folder', cache)
  await cache.flush()
  const again = new StatCache(join(folder, '..', 'data-cache'))
  const ownBytes = -bytesRead() + bytesRead()
  const readBefore = bytesRead()
  const startMs = performance.now()
  const after = await hashValue(folder, 'folder', again)
  const seconds = (performance.now() - startMs) / 1000
  const read = bytesRead() - readBefore - ownBytes
  if (after.hash !== before.hash) throw new Error('the hash of unchanged data differs')
  return { files, bytes, seconds, bytesRead: Math.max(0, read) }
}

/** All that this process has read so far, its looks at this count included. */
function bytesRead(): number {
  const [, bytes] = /^rchar: (\d+)$/m.exec(readFileSync('/proc/self/io', 'utf8')) ?? []
  return Number(bytes)
}

function writeFilled(file: string, chunks: number): void {
  const handle = openSync(file, 'w')
  const chunk = Buffer.alloc(chunkBytes)
  for (let index = 0; index < chunks; index++) writeSync(handle, randomFillSync(chunk))
  closeSync(handle)
}

function hashFromMemory(chunks: number): void {
  const digest = createHash('sha256')
  const chunk = randomFillSync(Buffer.alloc(chunkBytes))
  for (let index = 0; index < chunks; index++) digest.update(chunk)
  digest.digest()
}
