/** @file What lies in the store, read off its folders. Whatever vanishes meanwhile is left out. */
import { lstatSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseTree, type TreeEntry } from '../fingerprint/tree.ts'
import type { CacheKey, ContentHash } from '../identity.ts'
import type { Layout } from './layout.ts'
import { type ActionRecord, RECORD_SCHEMA } from './record.ts'
import { readSealed } from './sealed-json.ts'

const DIGEST = /^[0-9a-f]{64}$/

export interface FannedFile {
  /** Absolute. */
  readonly path: string
  /** What its name begins with, of 64 hex digits; `undefined` for a file that cannot be the store's. */
  readonly digest?: string
}

/** The files of a folder whose entries lie in subfolders named by their first two digits. */
export function* fannedFiles(folder: string, suffix = ''): Generator<FannedFile> {
  for (const fan of namesIn(folder)) {
    const subfolder = join(folder, fan)
    if (!lstatSync(subfolder, { throwIfNoEntry: false })?.isDirectory()) {
      yield { path: subfolder }
      continue
    }
    for (const name of namesIn(subfolder)) {
      const digest = name.endsWith(suffix) ? name.slice(0, name.length - suffix.length) : ''
      const path = join(subfolder, name)
      yield DIGEST.test(digest) && digest.startsWith(fan) && fan.length === 2 ? { path, digest } : { path }
    }
  }
}

/** Sorted; empty where there is no such folder. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).sort()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return []
    throw error
  }
}

export interface StoredResult {
  readonly key: CacheKey
  readonly record: ActionRecord
  /** Of its record and its log. */
  readonly ownBytes: number
}

/** Every record that can be read. Damaged ones are left out: to a lookup they are none either. */
export function* storedRecords(layout: Layout): Generator<ActionRecord> {
  for (const { path, digest } of fannedFiles(layout.actions, '.json')) {
    if (digest === undefined) continue
    const sealed = readSealed(path)
    const record = sealed.state === 'whole' ? (sealed.value as ActionRecord) : undefined
    if (record?.schema === RECORD_SCHEMA && record.key === digest) yield record
  }
}

/** The same, with what each takes beside its blobs. */
export function* storedResults(layout: Layout): Generator<StoredResult> {
  for (const record of storedRecords(layout)) {
    const { key } = record
    yield { key, record, ownBytes: sizeOf(layout.action(key)) + sizeOf(layout.log(key)) }
  }
}

/** The blobs behind a record, listings of folders included; what a lost or damaged listing names is left out. */
export function blobsOfRecord(layout: Layout, record: ActionRecord): Set<ContentHash> {
  const blobs = new Set<ContentHash>()
  for (const { hash, kind } of Object.values(record.outputs)) {
    blobs.add(hash)
    if (kind === 'file') continue
    for (const entry of readListing(layout, hash) ?? []) if (entry.kind === 'file') blobs.add(entry.hash)
  }
  return blobs
}

/** The entries of the listing in a blob; `undefined` where there is none. */
export function readListing(layout: Layout, hash: ContentHash): readonly TreeEntry[] | undefined {
  try {
    return parseTree(readFileSync(layout.blob(hash), 'utf8'))
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EISDIR') return undefined
    throw error
  }
}

/** Bytes of a file; 0 where there is none. */
export function sizeOf(path: string): number {
  return lstatSync(path, { throwIfNoEntry: false })?.size ?? 0
}
