/**
 * @file Locks between processes: a symbolic link whose target is the holder's id. Making one is atomic together with
 * its content, so no reader ever meets a lock without a holder.
 */
import { readlinkSync } from 'node:fs'
import { rename, rm, symlink } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Layout } from './layout.ts'
import { isOwnerAlive, type Owner } from './owner.ts'

const POLL_MS = 20

/** Takes the lock, also from a dead holder; false where a living one has it (this very owner included). */
export async function tryLock(layout: Layout, owner: Owner, path: string): Promise<boolean> {
  await owner.register()
  for (;;) {
    try {
      await symlink(owner.id, path)
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
    const holder = holderOf(path)
    if (holder === undefined) continue
    if (holder === owner.id || isOwnerAlive(layout, holder)) return false
    await breakLock(owner, path, holder)
  }
}

export async function unlock(path: string): Promise<void> {
  await rm(path, { force: true })
}

/** Waits for the lock, holds it during `work`. */
export async function withLock<T>(
  layout: Layout,
  owner: Owner,
  path: string,
  work: () => Promise<T>,
): Promise<T> {
  while (!(await tryLock(layout, owner, path))) await delay(POLL_MS)
  try {
    return await work()
  } finally {
    await unlock(path)
  }
}

/** Removes the lock of a dead holder. */
export async function breakLock(owner: Owner, path: string, deadHolder: string): Promise<void> {
  const aside = await owner.temporary()
  try {
    await rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  const taken = holderOf(aside)
  // Another process broke the lock first and took it between our look and our rename: give it back.
  if (taken !== undefined && taken !== deadHolder) await symlink(taken, path).catch(() => undefined)
  await rm(aside, { force: true })
}

export function holderOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}
