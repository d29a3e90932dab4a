/**
 * @file Garbage collection. Records go before blobs, and blobs only where no record names them, so that a crash at any
 * point leaves a whole store: at worst blobs without a record, which the next collection takes. `readers.ts` tells
 * why nothing vanishes under a process that uses it.
 */
import { rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { CacheKey, ContentHash } from '../identity.ts'
import type { Collectable, Garbage } from './garbage.ts'
import { blobsOfRecord, fannedFiles, namesIn, storedRecords } from './inventory.ts'
import type { Layout } from './layout.ts'
import { tryLock, unlock } from './lock.ts'
import type { Owner } from './owner.ts'
import { COLLECT_LOCK, otherReaders, type Reader } from './readers.ts'
import type { StoreParts } from './store.ts'
import { syncFolder } from './sync.ts'

export interface Collected {
  /** Processes because of which blobs and views stay until the next collection; empty where they are gone. */
  readonly waitsFor: readonly Reader[]
}

export async function collect({ layout, owner }: StoreParts, garbage: Garbage): Promise<Collected> {
  await removeRecords(
    layout,
    garbage.items.flatMap(({ kind, name }) => (kind === 'result' ? [name as CacheKey] : [])),
  )
  for (const item of garbage.items) if (item.kind !== 'result') await removeItem(layout, owner, item)

  const lock = layout.lock(COLLECT_LOCK)
  // Held by another collector: it takes what we leave.
  if (!(await tryLock(owner, lock))) return { waitsFor: otherReaders(layout, owner) }
  try {
    const waitsFor = otherReaders(layout, owner)
    if (waitsFor.length === 0) await removeUnnamed(layout, owner)
    return { waitsFor }
  } finally {
    await unlock(owner, lock)
  }
}

async function removeRecords(layout: Layout, keys: readonly CacheKey[]): Promise<void> {
  const folders = new Set<string>()
  for (const key of keys) {
    const record = layout.action(key)
    folders.add(dirname(record))
    await rm(record, { force: true })
    await rm(layout.log(key), { force: true })
  }
  // Before the first blob goes: after a power cut, too, no record may name a blob that is gone.
  for (const folder of folders) syncFolder(folder)
}

async function removeItem(layout: Layout, owner: Owner, { kind, name }: Collectable): Promise<void> {
  switch (kind) {
    case 'checkpoint':
      return await removeCheckpoint(layout, owner, name as CacheKey)
    case 'failure':
      return await rm(join(layout.failures, name), { recursive: true, force: true })
    case 'quarantine':
      return await rm(join(layout.quarantine, name), { recursive: true, force: true })
    case 'result':
      throw new Error('records are removed by themselves')
    default:
      return kind satisfies never
  }
}

/** Under the key's lease: an attempt that has begun since the garbage was found resumes from it. */
async function removeCheckpoint(layout: Layout, owner: Owner, key: CacheKey): Promise<void> {
  const lease = layout.lease(key)
  if (!(await tryLock(owner, lease))) return
  try {
    await rm(layout.checkpoint(key), { recursive: true, force: true })
  } finally {
    await unlock(owner, lease)
  }
}

/**
 * Judged anew by the records that there are now: since the garbage was found, others may have committed results that
 * name some of it.
 */
async function removeUnnamed(layout: Layout, owner: Owner): Promise<void> {
  const named = new Set<ContentHash>()
  const views = new Set<string>()
  for (const record of storedRecords(layout)) {
    for (const hash of blobsOfRecord(layout, record)) named.add(hash)
    for (const { kind, hash } of Object.values(record.outputs)) if (kind === 'folder') views.add(hash)
  }
  for (const name of namesIn(layout.views)) {
    if (views.has(name)) continue
    // Aside first: killed half-way, it must not leave part of a view in its place.
    const aside = await owner.temporary()
    await rename(join(layout.views, name), aside)
    await rm(aside, { recursive: true, force: true })
  }
  for (const { path, digest } of fannedFiles(layout.blobs)) {
    if (digest !== undefined && !named.has(digest as ContentHash)) await rm(path, { force: true })
  }
}
