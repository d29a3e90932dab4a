/**
 * @file Who owns an attempt, a lock or a temporary file, and whether that process still lives.
 *
 * Each open store has an owner with a file in `owners/`, written before anything in its name. What it makes begins with
 * its id. So whatever names an owner that has no file, or whose process is dead, is left over from a crash.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync, statSync } from 'node:fs'
import { readdir, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Layout } from './layout.ts'

/** How long an owner that cannot be asked (another machine, another container) is believed to live. */
const FOREIGN_OWNER_MS = 7 * 24 * 3600 * 1000
/** Far more than the writing of one line takes. */
const UNFINISHED_OWNER_MS = 3600 * 1000
const SUFFIX = '.json'

/** A pid alone is wrong across containers and reboots. `null` where the system does not tell. */
interface ProcessIdentity {
  readonly host: string
  readonly bootId: string | null
  readonly pidNamespace: string | null
  readonly pid: number
  /** In clock ticks since boot: tells a process from a later one with the same pid. */
  readonly startTicks: string | null
}

export class Owner {
  readonly id: string = randomBytes(6).toString('hex')
  readonly #layout: Layout
  #registered: Promise<void> | undefined
  #made = 0

  constructor(layout: Layout) {
    this.#layout = layout
  }

  /** Must have resolved before anything is made in this owner's name. */
  register(): Promise<void> {
    this.#registered ??= this.#writeFile()
    return this.#registered
  }

  async #writeFile(): Promise<void> {
    const file = join(this.#layout.owners, this.id)
    await writeFile(file, JSON.stringify(thisProcess()))
    // By rename: half an owner's file would pass for a dead owner's.
    await rename(file, file + SUFFIX)
  }

  /** A fresh name that the sweep can trace back to this owner. */
  freshName(): string {
    return `${this.id}-${(this.#made++).toString(36)}-${randomBytes(3).toString('hex')}`
  }

  async temporary(): Promise<string> {
    await this.register()
    return join(this.#layout.tmp, this.freshName())
  }

  async release(): Promise<void> {
    await this.#registered
    await rm(join(this.#layout.owners, this.id + SUFFIX), { force: true })
  }
}

export function ownerOf(name: string): string {
  return name.split('-', 1)[0]!
}

export async function listOwners(layout: Layout): Promise<string[]> {
  const ids: string[] = []
  for (const name of await readdir(layout.owners)) {
    if (name.endsWith(SUFFIX)) ids.push(name.slice(0, -SUFFIX.length))
    else await forgetUnfinished(join(layout.owners, name))
  }
  return ids
}

/** An owner's file that was not yet renamed: being written now, or by a process that died over it. */
async function forgetUnfinished(file: string): Promise<void> {
  const stats = statSync(file, { throwIfNoEntry: false })
  if (stats !== undefined && Date.now() - stats.mtimeMs > UNFINISHED_OWNER_MS) await rm(file, { force: true })
}

export async function forgetOwner(layout: Layout, id: string): Promise<void> {
  await rm(join(layout.owners, id + SUFFIX), { force: true })
}

export function isOwnerAlive(layout: Layout, id: string): boolean {
  const file = join(layout.owners, id + SUFFIX)
  let owner: ProcessIdentity
  let heardOfMs: number
  try {
    owner = JSON.parse(readFileSync(file, 'utf8'))
    heardOfMs = statSync(file).mtimeMs
  } catch {
    return false
  }
  const me = thisProcess()
  const sameBoot = owner.bootId === me.bootId
  const sameHost = owner.host === me.host
  const pidsComparable = me.bootId === null ? sameHost : sameBoot && owner.pidNamespace === me.pidNamespace
  if (pidsComparable) return isProcessAlive(owner)
  if (sameHost && !sameBoot) return false
  return Date.now() - heardOfMs < FOREIGN_OWNER_MS
}

let identity: ProcessIdentity | undefined

function thisProcess(): ProcessIdentity {
  identity ??= {
    host: hostname(),
    bootId: readOrNull(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pidNamespace: readOrNull(() => readlinkSync('/proc/self/ns/pid')),
    pid: process.pid,
    startTicks: readOrNull(() => processStat(process.pid).startTicks),
  }
  return identity
}

function isProcessAlive({ pid, startTicks }: ProcessIdentity): boolean {
  if (startTicks !== null) {
    const stat = readOrNull(() => processStat(pid))
    // A zombie has ended; only its parent has not asked yet.
    return stat !== null && stat.startTicks === startTicks && stat.state !== 'Z' && stat.state !== 'X'
  }
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function processStat(pid: number): { readonly state: string; readonly startTicks: string } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command's name stands in brackets and may hold spaces and brackets itself. Field 3 follows it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0]!, startTicks: fields[19]! }
}

function readOrNull<T>(read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}
