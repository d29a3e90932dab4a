/**
 * @file Which owners live. A process of this machine is asked; beyond that, an owner lives as long as its heart beats,
 * which tells of other machines, other containers and suspended processes.
 *
 * No two clocks are compared: silence is what passes on this process's own monotonic clock while the beat stays the
 * same. A wall clock that is hours off, or jumps, neither ends an owner nor keeps a dead one.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { missedBeatsOfDeath, readBeat } from './heartbeat.ts'
import type { Layout } from './layout.ts'
import type { OwnerIdentity } from './owner.ts'
import { type ProcessIdentity, stateOfProcess, thisProcess } from './process-identity.ts'

/**
 * The most silence that counts between two looks. Whoever was suspended itself, together with what it watches, must
 * not take its own absence for the other's.
 */
const countedBetweenLooksMs = 1000
/** Of an owner whose file cannot be read. */
const unknownBeatEveryMs = 2000

interface Observation {
  readonly beat: string
  readonly lookedAtMs: number
  readonly silentMs: number
}

/** What an earlier process of this machine saw of an owner that it could not ask. */
interface Note {
  readonly beat: string
  /** Monotonic clock of the machine: begins anew with each boot, and so never counts too much. */
  readonly atMs: number
}

export class Liveness {
  readonly #layout: Layout
  readonly #seen = new Map<string, Observation>()

  constructor(layout: Layout) {
    this.#layout = layout
  }

  /** Each call is a look: who waits for an owner's end must ask again and again. */
  isAlive(id: string): boolean {
    const identity = this.#identity(id)
    if (identity === 'none') return false
    const state = identity === 'unreadable' ? 'unknown' : stateOfProcess(identity)
    if (state === 'dead') return false
    const everyMs = identity === 'unreadable' ? unknownBeatEveryMs : identity.beatEveryMs
    return this.#silentMs(id, state === 'unknown') < missedBeatsOfDeath * everyMs
  }

  /** Of an owner that lives. */
  identity(id: string): OwnerIdentity | undefined {
    const identity = this.#identity(id)
    return typeof identity === 'string' ? undefined : identity
  }

  #identity(id: string): OwnerIdentity | 'none' | 'unreadable' {
    let text: string
    try {
      text = readFileSync(this.#layout.owner(id), 'utf8')
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'none' : 'unreadable'
    }
    try {
      const identity = JSON.parse(text) as Partial<OwnerIdentity> & ProcessIdentity
      return { ...identity, beatEveryMs: identity.beatEveryMs ?? unknownBeatEveryMs }
    } catch {
      // Being written now, or by a process that died over it.
      return 'unreadable'
    }
  }

  #silentMs(id: string, foreign: boolean): number {
    const beat = readBeat(this.#layout.ownerBeat(id))
    const now = performance.now()
    const before = this.#seen.get(id)
    let silentMs = 0
    if (before === undefined) silentMs = foreign ? this.#notedSilenceMs(id, beat) : 0
    else if (before.beat === beat)
      silentMs = before.silentMs + Math.min(now - before.lookedAtMs, countedBetweenLooksMs)
    this.#seen.set(id, { beat, lookedAtMs: now, silentMs })
    return silentMs
  }

  /** A command of a moment sees one beat only: it leaves word of it to the next. */
  #notedSilenceMs(id: string, beat: string): number {
    const { bootId, host } = thisProcess()
    const file = this.#layout.ownerNote(id, bootId ?? host)
    const nowMs = Number(process.hrtime.bigint() / 1_000_000n)
    try {
      const note = JSON.parse(readFileSync(file, 'utf8')) as Note
      if (note.beat === beat && note.atMs <= nowMs) return nowMs - note.atMs
    } catch {
      // None, or half of one.
    }
    const note: Note = { beat, atMs: nowMs }
    try {
      writeFileSync(file, JSON.stringify(note))
    } catch {
      // Then it takes one command more.
    }
    return 0
  }
}
