/** @file What outlives a power cut: bytes of files, and names in folders. */
import { closeSync, fsync, fsyncSync, openSync } from 'node:fs'
import { smallBytes } from '../fingerprint/hash.ts'

export interface SizedFile {
  readonly path: string
  readonly sizeBytes: number
}

/** So many are open at once. */
const atOnce = 16

/** Makes a file's bytes outlive a power cut. */
export function syncFile(file: SizedFile): Promise<void> {
  return syncFiles([file])
}

/** As `syncFile`, in one wait: a disk takes little longer for several files than for one. */
export async function syncFiles(files: readonly SizedFile[]): Promise<void> {
  const bySize = [...files].sort((one, other) => other.sizeBytes - one.sizeBytes)
  await syncTogether(
    bySize.map(({ path }) => path),
    (bySize.at(-1)?.sizeBytes ?? 0) <= smallBytes,
  )
}

/** Makes a folder's names (files created, renamed, removed in it) outlive a power cut. */
export function syncFolder(path: string): void {
  if (foldersHaveSync) syncHere(path)
}

/** As `syncFolder`, in one wait. */
export async function syncFolders(paths: Iterable<string>): Promise<void> {
  if (foldersHaveSync) await syncTogether([...paths], true)
}

/** Windows cannot open a folder, and needs no such call. */
const foldersHaveSync = process.platform !== 'win32'

/** @param lastHere Whether this thread does the last of them, rather than wait for the others only. */
async function syncTogether(paths: readonly string[], lastHere: boolean): Promise<void> {
  for (let from = 0; from < paths.length; from += atOnce) {
    const batch = paths.slice(from, from + atOnce)
    const here = lastHere && from + atOnce >= paths.length ? batch.pop() : undefined
    const waits = batch.map(syncElsewhere)
    if (here !== undefined) waits.push(syncNext(here))
    // All have ended before the first failure is told: no file is open any more.
    const failed = (await Promise.allSettled(waits)).find((end) => end.status === 'rejected')
    if (failed?.status === 'rejected') throw failed.reason
  }
}

async function syncNext(path: string): Promise<void> {
  syncHere(path)
}

function syncHere(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

/** Not by a file handle: to make one takes as long as the sync. */
function syncElsewhere(path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const file = openSync(path, 'r')
    fsync(file, (error) => {
      try {
        closeSync(file)
        if (error) reject(error)
        else resolve()
      } catch (failure) {
        reject(error ?? failure)
      }
    })
  })
}
