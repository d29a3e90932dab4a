/**
 * @file Who owns an attempt, a lock or a temporary file.
 *
 * Each open store has an owner with a file in `owners/`, written before anything in its name, and a heartbeat beside it.
 * What it makes begins with its id. So whatever names an owner that has no file, or that has died, is left over from a
 * crash.
 */
import { randomBytes } from 'node:crypto'
import { readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beatEveryMs, Heartbeat } from './heartbeat.ts'
import type { Layout } from './layout.ts'
import { Liveness } from './liveness.ts'
import { type ProcessIdentity, thisProcess } from './process-identity.ts'

const SUFFIX = '.json'

/** What lies in an owner's file. */
export interface OwnerIdentity extends ProcessIdentity {
  readonly beatEveryMs: number
}

export class Owner {
  readonly id: string = randomBytes(6).toString('hex')
  /** Which of the other owners live, as far as has been seen from here. */
  readonly others: Liveness
  readonly heartbeat: Heartbeat
  /** A link to its id, of which each lock that it takes is a further name. */
  readonly lockFile: string
  readonly #layout: Layout
  #registered: Promise<void> | undefined
  #made = 0

  constructor(layout: Layout) {
    this.#layout = layout
    this.lockFile = layout.ownerLock(this.id)
    this.others = new Liveness(layout)
    this.heartbeat = new Heartbeat({ beat: layout.ownerBeat(this.id), owner: layout.owner(this.id) })
  }

  /** Must have resolved before anything is made in this owner's name. */
  register(): Promise<void> {
    this.#registered ??= this.#writeFiles()
    return this.#registered
  }

  async #writeFiles(): Promise<void> {
    const everyMs = beatEveryMs(process.env)
    const identity: OwnerIdentity = { ...thisProcess(), beatEveryMs: everyMs }
    const text = JSON.stringify(identity)
    try {
      writeFileSync(this.#layout.owner(this.id), text)
      symlinkSync(this.id, this.lockFile)
      await this.heartbeat.start(text, everyMs)
    } catch (error) {
      // Half a file does not say whose it is: others would wait for its heartbeat to end.
      this.#forget()
      throw error
    }
  }

  /** A fresh name that the sweep can trace back to this owner. */
  freshName(): string {
    return `${this.id}-${(this.#made++).toString(36)}`
  }

  async temporary(): Promise<string> {
    await this.register()
    return join(this.#layout.tmp, this.freshName())
  }

  async release(): Promise<void> {
    if (this.#registered === undefined) return
    await this.#registered
    await this.heartbeat.stop()
    forgetOwner(this.#layout, this.id)
  }

  #forget(): void {
    try {
      forgetOwner(this.#layout, this.id)
    } catch {
      // The next sweep removes it.
    }
  }
}

export function ownerOf(name: string): string {
  return name.split('-', 1)[0]!
}

export function listOwners(layout: Layout): string[] {
  return readdirSync(layout.owners)
    .filter((name) => name.endsWith(SUFFIX))
    .map((name) => name.slice(0, -SUFFIX.length))
}

/** Its own file goes first: what is left of it without that is removed by the next sweep. */
export function forgetOwner(layout: Layout, id: string): void {
  rmSync(layout.owner(id), { force: true })
  for (const name of readdirSync(layout.owners)) {
    if (name.startsWith(`${id}.`)) rmSync(join(layout.owners, name), { force: true })
  }
}
