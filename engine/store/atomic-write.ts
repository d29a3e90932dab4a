/** @file Writes that a reader, or a power cut, finds done or not begun. */
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { open } from 'node:fs/promises'
import { dirname } from 'node:path'
import { smallBytes } from '../fingerprint/hash.ts'

/** Makes a file's bytes outlive a power cut. */
export async function syncFile(path: string, sizeBytes: number): Promise<void> {
  if (sizeBytes <= smallBytes) return syncNow(path)
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes a folder's names (files created, renamed, removed in it) outlive a power cut. */
export function syncFolder(path: string): void {
  // Windows cannot open a folder, and needs no such call.
  if (process.platform !== 'win32') syncNow(path)
}

function syncNow(path: string): void {
  const file = openSync(path, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

export interface AtomicWriteOptions {
  /** Off for what a power cut may take away: it saves two waits for the disk. Default: true. */
  readonly durable?: boolean
  /** Off: a destination that is there already stays, and the write fails with `EEXIST`. Default: true. */
  readonly replace?: boolean
}

/**
 * Replaces `destination` by `text`. `temporary` must lie on the same file system and be the caller's alone.
 * The destination's folder is made where it is missing. Synchronous, as `readSealed` is: these texts are small.
 */
export function writeAtomically(
  destination: string,
  text: string,
  temporary: string,
  { durable = true, replace = true }: AtomicWriteOptions = {},
): void {
  const folder = dirname(destination)
  const created = mkdirSync(folder, { recursive: true })
  try {
    const file = openSync(temporary, 'wx')
    try {
      writeFileSync(file, text)
      if (durable) fsyncSync(file)
    } finally {
      closeSync(file)
    }
    if (replace) renameSync(temporary, destination)
    else linkInto(temporary, destination)
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  if (!durable) return
  syncFolder(folder)
  if (created !== undefined) syncFolder(dirname(created))
}

/** Unlike a rename, a link never takes the place of what is there. */
function linkInto(temporary: string, destination: string): void {
  try {
    linkSync(temporary, destination)
    rmSync(temporary, { force: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error
    // The file system knows no links.
    renameSync(temporary, destination)
  }
}
