/**
 * @file Locks between processes: a symbolic link whose target is the holder's id. It is there together with its target,
 * or not at all, so no reader ever meets a lock without a holder.
 *
 * A holder that was suspended may find, on waking, that its lock was taken over. Whoever writes under a lock what
 * must not be written twice therefore asks `isHeld` before it does.
 */
import { linkSync, lstatSync, readlinkSync, renameSync, rmSync, symlinkSync, unlinkSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Owner } from './owner.ts'

const POLL_MS = 20

/** Takes the lock, also from a dead holder; false where a living one has it (this very owner included). */
export async function tryLock(owner: Owner, path: string): Promise<boolean> {
  await owner.register()
  for (;;) {
    try {
      make(owner, path)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = holderOf(path)
    if (holder === undefined) {
      // Given up at this moment; or no link at all, which nobody would ever give up.
      if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === false) await breakLock(owner, path)
      continue
    }
    if (holder === owner.id || owner.others.isAlive(holder)) return false
    await breakLock(owner, path, holder)
  }
}

/** One more name for a link that is there already: making and removing a file a lock is what takes a file system long. */
function make({ id, lockFile }: Owner, path: string): void {
  try {
    linkSync(lockFile, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw error
    // The file system knows no further names, or none of a link; or this owner was taken for dead meanwhile.
    symlinkSync(id, path)
  }
}

export function isHeld(owner: Owner, path: string): boolean {
  return holderOf(path) === owner.id
}

/** A lock that was lost meanwhile stays whose it is. */
export function unlock(owner: Owner, path: string): void {
  if (!isHeld(owner, path)) return
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}

/** Waits for the lock, holds it during `work`. */
export async function withLock<T>(owner: Owner, path: string, work: () => Promise<T>): Promise<T> {
  while (!(await tryLock(owner, path))) await delay(POLL_MS)
  try {
    return await work()
  } finally {
    unlock(owner, path)
  }
}

/** Removes the lock of a dead holder, or what lies in the place of a lock and is none. */
export async function breakLock(owner: Owner, path: string, deadHolder?: string): Promise<void> {
  const aside = await owner.temporary()
  try {
    renameSync(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const taken = holderOf(aside)
  // Another process broke the lock first and took it between our look and our rename: give it back.
  if (taken !== undefined && taken !== deadHolder) giveBack(taken, path)
  rmSync(aside, { recursive: true, force: true })
}

function giveBack(holder: string, path: string): void {
  try {
    symlinkSync(holder, path)
  } catch {
    // A third one was faster.
  }
}

export function holderOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
