/** @file Writes that a reader, or a power cut, finds done or not begun. */
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { syncFolder } from './sync.ts'

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
  try {
    const file = openSync(temporary, 'wx')
    try {
      writeFileSync(file, text)
      if (durable) fsyncSync(file)
    } finally {
      closeSync(file)
    }
    placeFile(temporary, destination, { durable, replace })
  } catch (error) {
    rmSync(temporary, { force: true })
    throw error
  }
  if (durable) syncFolder(dirname(destination))
}

/** The name of the destination alone is left to be synced: that of its folder is, where that is new. */
export function placeFile(
  temporary: string,
  destination: string,
  { durable = true, replace = true }: AtomicWriteOptions = {},
): void {
  const place = replace ? renameSync : linkInto
  try {
    place(temporary, destination)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    const created = mkdirSync(dirname(destination), { recursive: true })
    if (durable && created !== undefined) syncFolder(dirname(created))
    place(temporary, destination)
  }
}

/** Unlike a rename, a link never takes the place of what is there. */
function linkInto(temporary: string, destination: string): void {
  try {
    linkSync(temporary, destination)
    unlinkSync(temporary)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'EOPNOTSUPP' && code !== 'ENOSYS') throw error
    // The file system knows no links.
    renameSync(temporary, destination)
  }
}
