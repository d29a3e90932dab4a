/** @file Removes what dead processes left behind: their attempts, temporary files, locks, and their owners' files. */
import { readdirSync, rmSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Layout } from './layout.ts'
import { breakLock, holderOf } from './lock.ts'
import { forgetOwner, listOwners, type Owner, ownerOf } from './owner.ts'

export interface Swept {
  /** Ids of the attempts that were removed. */
  readonly attempts: readonly string[]
}

export async function sweep(layout: Layout, owner: Owner): Promise<Swept> {
  // Listed first: an owner registers before it makes anything, so whoever is missing here but has made something
  // that is listed below is asked again by `isDead`.
  const owners = listOwners(layout)
  const verdicts = new Map<string, boolean>()
  const isDead = (id: string): boolean => {
    const dead = verdicts.get(id) ?? !owner.others.isAlive(id)
    verdicts.set(id, dead)
    return dead
  }

  const attempts: string[] = []
  for (const folder of [layout.attempts, layout.tmp]) {
    for (const name of readdirSync(folder)) {
      if (!isDead(ownerOf(name))) continue
      await rm(join(folder, name), { recursive: true, force: true })
      if (folder === layout.attempts) attempts.push(name)
    }
  }
  for (const folder of [layout.locks, layout.leases]) {
    for (const name of readdirSync(folder)) {
      const path = join(folder, name)
      const holder = holderOf(path)
      if (holder !== undefined && isDead(holder)) await breakLock(owner, path, holder)
    }
  }
  // Last: an owner without a file is dead to all.
  for (const id of owners) if (isDead(id)) forgetOwner(layout, id)
  forgetOrphans(layout)
  return { attempts }
}

/** Notes on owners that are gone by now. Should it take a beat of one that is just registering, the next follows. */
function forgetOrphans(layout: Layout): void {
  const names = new Set(readdirSync(layout.owners))
  for (const name of names) {
    const owner = basename(layout.owner(name.split('.', 1)[0]!))
    if (!names.has(owner)) rmSync(join(layout.owners, name), { force: true })
  }
}
