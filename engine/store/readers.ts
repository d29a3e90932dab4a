/**
 * @file Who may be using values of the store now. Garbage collection deletes blobs only while nobody else does.
 *
 * Whoever opens a store leaves a sign in `readers/` before it looks anything up, and takes it away when it closes; a
 * lookup itself leaves nothing, so a run that finds a thousand results pays for one small file. Collecting goes in two
 * steps:
 *
 * 1. Records are deleted, at any time. Later lookups miss. Who has looked a record up before that goes on with its
 *    blobs, which are still there.
 * 2. Blobs that no record names are deleted, under the lock `collect`, and only if there is no sign of another reader.
 *
 * The two meet so that one always sees the other: a reader leaves its sign first and looks for the lock then; the
 * collector takes the lock first and looks for signs then. A reader that finds the lock waits until it is free; a
 * collector that finds a sign deletes nothing in step 2, and leaves it to the next collection. So a blob vanishes
 * neither between a lookup and its use, nor between the commit that found it in place and the record that names it.
 *
 * A sign is a symbolic link whose target says which process left it: it is there with its content or not at all, and is
 * short enough (59 bytes on ext4) to take no block of the disk, which would cost a run some milliseconds. That of a dead
 * process is removed by the next collector. That of a machine or container which cannot be asked counts for a
 * week: space is then freed late, and never too early.
 */
import { lstatSync, readlinkSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { sha256 } from '../fingerprint/hash.ts'
import { namesIn } from './inventory.ts'
import type { Layout } from './layout.ts'
import { holderOf } from './lock.ts'
import type { Owner } from './owner.ts'
import { type ProcessIdentity, stateOfProcess, thisProcess } from './process-identity.ts'

const POLL_MS = 20
const UNKNOWN_READER_MS = 7 * 24 * 3600 * 1000
/** The disk may be full or mounted read-only. */
const REFUSALS = new Set(['ENOSPC', 'EDQUOT', 'EROFS'])

export interface Reader {
  /** `another machine` where it is not this one. */
  readonly host: string
  readonly pid: number
}

export const COLLECT_LOCK = 'collect'

/** To be awaited before anything is looked up: leaves this store's sign. */
export async function enter(layout: Layout, owner: Owner): Promise<void> {
  leaveSign(layout, owner)
  const lock = layout.lock(COLLECT_LOCK)
  for (;;) {
    const collector = holderOf(lock)
    if (collector === undefined || !owner.others.isAlive(collector)) return
    await delay(POLL_MS)
  }
}

function leaveSign(layout: Layout, { id }: Owner): void {
  try {
    symlinkSync(signText(thisProcess()), join(layout.readers, id))
  } catch (error) {
    // A full disk must not keep `flow cache gc` from making room. Should another process collect just now, a value may
    // be gone when it is needed; that is noticed, and ends in a failure that says to run again.
    if (!REFUSALS.has((error as NodeJS.ErrnoException).code ?? '')) throw error
  }
}

export function leave(layout: Layout, { id }: Owner): void {
  rmSync(join(layout.readers, id), { force: true })
}

/** Living readers but for this store's own. Signs of dead ones are removed. */
export function otherReaders(layout: Layout, { id }: Owner): Reader[] {
  return namesIn(layout.readers).flatMap((name) => {
    if (name === id) return []
    const path = join(layout.readers, name)
    const identity = readSign(path)
    if (identity === 'gone') return []
    const state = identity === 'foreign' ? 'unknown' : stateOfProcess(identity)
    if (state === 'dead' || (state === 'unknown' && isOld(path))) {
      rmSync(path, { recursive: true, force: true })
      return []
    }
    const { host, pid } = identity === 'foreign' ? { host: undefined, pid: 0 } : identity
    return [{ host: host === thisProcess().host ? host : 'another machine', pid }]
  })
}

function signText({ host, bootId, pidNamespace, pid, startTicks }: ProcessIdentity): string {
  return [shortened(host), shortened(bootId), shortened(pidNamespace), pid, startTicks ?? ''].join('.')
}

const SIGN = /^([0-9a-f]{8})\.([0-9a-f]{8})\.([0-9a-f]{8})\.(\d+)\.(\d*)$/

/** What is not as with this process is known by its digest only: it differs, and that is all that is asked of it. */
function readSign(path: string): ProcessIdentity | 'gone' | 'foreign' {
  let text: string
  try {
    text = readlinkSync(path)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'gone' : 'foreign'
  }
  const [, host, bootId, pidNamespace, pid, startTicks = ''] = SIGN.exec(text) ?? []
  if (host === undefined || bootId === undefined || pidNamespace === undefined) return 'foreign'
  const me = thisProcess()
  return {
    host: host === shortened(me.host) ? me.host : host,
    bootId: bootId === shortened(me.bootId) ? me.bootId : bootId,
    pidNamespace: pidNamespace === shortened(me.pidNamespace) ? me.pidNamespace : pidNamespace,
    pid: Number(pid),
    startTicks: startTicks === '' ? null : startTicks,
  }
}

function shortened(name: string | null): string {
  return sha256(name ?? '').slice(0, 8)
}

function isOld(path: string): boolean {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  return stats !== undefined && Date.now() - stats.mtimeMs > UNKNOWN_READER_MS
}
