/** @file Takes the results of an archive (`archive.ts`) into the store, once all of it has been checked. */
import { createReadStream, lstatSync } from 'node:fs'
import { Readable } from 'node:stream'
import type { CacheKey, ContentHash } from '../identity.ts'
import { isStageFailure, StageFailure } from '../stage/failure.ts'
import { isSystemError } from '../stage/machine-failure.ts'
import { type ArchiveEntry, MANIFEST, parseEntryName } from './archive.ts'
import {
  blobsBehind,
  discardReceived,
  type NeededBlob,
  type Placed,
  placeResult,
  type Received,
  readForeignRecord,
  receiveBlob,
  receiveText,
} from './incoming.ts'
import type { ActionRecord } from './record.ts'
import type { StoreParts } from './store.ts'

export type Imported = Readonly<Record<Placed, number>>

/**
 * Importing a second time changes nothing. Throws a `StageFailure`, and leaves the store as it was, where the archive is
 * damaged (`archive-damaged`, `foreign-bytes`, `foreign-record`), lacks a blob (`archive-incomplete`), or holds an entry
 * that no export has written (`archive-entry`).
 */
export async function importResults(parts: StoreParts, file: string): Promise<Imported> {
  const archive: ReadArchive = { received: new Map(), records: new Map(), logs: new Map() }
  const { received, records, logs } = archive
  try {
    await readArchive(parts, file, archive)
    const checked: { record: ActionRecord; needed: NeededBlob[] }[] = []
    for (const record of records.values()) {
      checked.push({ record, needed: await demandComplete(parts, record, received) })
    }
    const counts = { placed: 0, present: 0, differs: 0 }
    for (const { record, needed } of checked) {
      counts[await placeResult(parts, record, { needed, received, log: logs.get(record.key) })] += 1
    }
    return counts
  } finally {
    await discardReceived(received)
  }
}

interface ReadArchive {
  readonly received: Received
  readonly records: Map<CacheKey, ActionRecord>
  readonly logs: Map<CacheKey, string>
}

async function readArchive(parts: StoreParts, file: string, archive: ReadArchive): Promise<void> {
  const { createTarDecoder } = await import('modern-tar')
  const bytes = Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>
  const seen = new Set<string>()
  try {
    for await (const { header, body } of bytes.pipeThrough(createTarDecoder({ strict: true }))) {
      const { name, size, type = 'file' } = header
      const entry = type === 'file' ? parseEntryName(name) : undefined
      if (entry === undefined || seen.has(name)) throw foreignEntry(file, name, type)
      seen.add(name)
      await readEntry(parts, archive, entry, body, size)
    }
  } catch (error) {
    if (isStageFailure(error) || isSystemError(error)) throw error
    throw new StageFailure({
      code: 'archive-damaged',
      message: `${file} is no whole archive: ${(error as Error).message}`,
    })
  }
  if (!seen.has(MANIFEST)) {
    throw new StageFailure({
      code: 'archive-damaged',
      message: `${file} was not written by an export of Flow`,
    })
  }
}

async function readEntry(
  parts: StoreParts,
  { received, records, logs }: ReadArchive,
  entry: ArchiveEntry,
  body: AsyncIterable<Uint8Array>,
  sizeBytes: number,
): Promise<void> {
  switch (entry.kind) {
    case 'manifest':
      // For people: the records say it all.
      await receiveText(body)
      return
    case 'blob':
      received.set(entry.hash, await receiveBlob(parts, body, entry.hash, { sizeBytes }))
      return
    case 'log':
      logs.set(entry.key, await receiveText(body))
      return
    case 'record':
      records.set(entry.key, readForeignRecord(await receiveText(body), entry.key))
      return
    default:
      entry satisfies never
  }
}

async function demandComplete(
  parts: StoreParts,
  record: ActionRecord,
  received: Received,
): Promise<NeededBlob[]> {
  for (const { hash } of Object.values(record.outputs)) await demand(parts, record, received, hash)
  const needed = blobsBehind(parts, record, received)
  for (const { hash, sizeBytes } of needed) await demand(parts, record, received, hash, sizeBytes)
  return needed
}

async function demand(
  { blobs }: StoreParts,
  record: ActionRecord,
  received: Received,
  hash: ContentHash,
  sizeBytes?: number,
): Promise<void> {
  const path = received.get(hash)
  const whole =
    path === undefined
      ? (await blobs.check(hash, sizeBytes)) === 'whole'
      : sizeBytes === undefined || lstatSync(path).size === sizeBytes
  if (whole) return
  throw new StageFailure({
    code: 'archive-incomplete',
    message: `the archive lacks blob ${hash} of the result ${record.key}`,
  })
}

function foreignEntry(file: string, name: string, type: string): StageFailure {
  return new StageFailure({
    code: 'archive-entry',
    message: `${file} holds ${JSON.stringify(name)} (${type}), which no export of Flow writes`,
    hint: 'nothing was imported',
  })
}
