/** @file Writes that a reader, or a power cut, finds done or not begun. */
import { mkdirSync } from 'node:fs'
import { link, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Makes a file's bytes outlive a power cut. */
export async function syncFile(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Makes a folder's names (files created, renamed, removed in it) outlive a power cut. */
export async function syncFolder(path: string): Promise<void> {
  // Windows cannot open a folder, and needs no such call.
  if (process.platform !== 'win32') await syncFile(path)
}

export interface AtomicWriteOptions {
  /** Off for what a power cut may take away: it saves two waits for the disk. Default: true. */
  readonly durable?: boolean
  /** Off: a destination that is there already stays, and the write fails with `EEXIST`. Default: true. */
  readonly replace?: boolean
}

/**
 * Replaces `destination` by `text`. `temporary` must lie on the same file system and be the caller's alone.
 * The destination's folder is made where it is missing.
 */
export async function writeAtomically(
  destination: string,
  text: string,
  temporary: string,
  { durable = true, replace = true }: AtomicWriteOptions = {},
): Promise<void> {
  const folder = dirname(destination)
  const created = mkdirSync(folder, { recursive: true })
  try {
    const file = await open(temporary, 'wx')
    try {
      await file.writeFile(text)
      if (durable) await file.sync()
    } finally {
      await file.close()
    }
    if (replace) await rename(temporary, destination)
    else await linkInto(temporary, destination)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
  if (!durable) return
  await syncFolder(folder)
  if (created !== undefined) await syncFolder(dirname(created))
}

/** Unlike a rename, a link never takes the place of what is there. */
async function linkInto(temporary: string, destination: string): Promise<void> {
  try {
    await link(temporary, destination)
    await rm(temporary, { force: true })
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error
    // The file system knows no links.
    await rename(temporary, destination)
  }
}
