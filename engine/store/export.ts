/** @file Writes results with all that belongs to them to an archive (`archive.ts`). */
import { randomBytes } from 'node:crypto'
import { createWriteStream, lstatSync } from 'node:fs'
import { link, rm } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import type { CacheKey } from '../identity.ts'
import { StageFailure } from '../stage/failure.ts'
import { type ArchiveManifest, MANIFEST } from './archive.ts'
import { MAX_TEXT_BYTES } from './incoming.ts'
import { blobsOfRecord } from './inventory.ts'
import type { StoreParts } from './store.ts'
import { syncFile } from './sync.ts'

export interface Exported {
  readonly results: number
  readonly blobs: number
  /** Of the archive. */
  readonly sizeBytes: number
}

/**
 * `results`: key -> node. Throws a `StageFailure`: `no-result` where one is not whole, `file-exists` where there is
 * something at `file` already.
 */
export async function exportResults(
  { layout, lookups }: StoreParts,
  results: ReadonlyMap<CacheKey, string | undefined>,
  file: string,
): Promise<Exported> {
  const keys = [...results.keys()].sort()
  const blobs = new Set<string>()
  for (const key of keys) {
    const { record, reason } = await lookups.lookup(key)
    if (record === undefined) {
      throw new StageFailure({
        code: 'no-result',
        message: `the result ${key} cannot be exported: ${reason}`,
      })
    }
    for (const hash of blobsOfRecord(layout, record)) blobs.add(layout.blob(hash))
  }
  const logs = keys.map((key) => layout.log(key)).filter(isExported)
  const files = [...[...blobs].sort(), ...logs, ...keys.map((key) => layout.action(key))]
  const manifest: ArchiveManifest = {
    schema: 1,
    results: keys.map((key) => {
      const node = results.get(key)
      return { key, ...(node === undefined ? {} : { node }) }
    }),
  }
  // The same for everyone, whoever exports and whenever.
  const header = { mtime: new Date(0), uid: 0, gid: 0, uname: '', gname: '', mode: 0o644 }
  const { packTar } = await import('modern-tar/fs')
  const archive = packTar([
    { type: 'content', target: MANIFEST, content: `${JSON.stringify(manifest, null, 2)}\n`, ...header },
    ...files.map((path) => ({
      type: 'file' as const,
      source: path,
      target: relative(layout.root, path).split(sep).join('/'),
      ...header,
    })),
  ])
  await writeNew(file, archive)
  return { results: keys.length, blobs: blobs.size, sizeBytes: lstatSync(file).size }
}

function isExported(log: string): boolean {
  const stats = lstatSync(log, { throwIfNoEntry: false })
  return stats !== undefined && stats.size <= MAX_TEXT_BYTES
}

/** There is a whole file at `path` afterwards, or none; never is one replaced. */
async function writeNew(path: string, content: NodeJS.ReadableStream): Promise<void> {
  const partial = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}`)
  try {
    await pipeline(content, createWriteStream(partial, { flags: 'wx' }))
    await syncFile({ path: partial, sizeBytes: lstatSync(partial).size })
    await link(partial, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    throw new StageFailure({
      code: 'file-exists',
      message: `there is something at ${path} already`,
      hint: 'move or delete it, or name another file',
    })
  } finally {
    await rm(partial, { force: true })
  }
}
