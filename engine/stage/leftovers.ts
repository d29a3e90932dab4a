/** @file What a stage left behind in its process that the next node would notice, or suffer from. */
import { readdirSync, readFileSync } from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** Of the event loop. */
const closingTurns = 20

/** The process as a stage is to find it. Taken before the first one runs. */
export class CleanState {
  readonly #folder = process.cwd()
  readonly #environment = environment()
  readonly #listeners = listeners()
  readonly #resources = resources()

  /** What is not as it was, in a few words; undefined where nothing is. */
  async leftover(): Promise<string | undefined> {
    const resource = await this.#openResource()
    if (currentFolder() !== this.#folder) return 'another working folder'
    if (environment() !== this.#environment) return 'another environment'
    const listener = more(listeners(), this.#listeners)
    if (listener !== undefined) return `a listener of the process's ${listener}`
    if (resource !== undefined) return `an open ${resource}`
    return isAlone() ? undefined : 'a process that it started'
  }

  /** What is being closed is closed some turns later, and garbage collection takes a turn of its own at any time. */
  async #openResource(): Promise<string | undefined> {
    let found: string | undefined
    for (let turn = 0; turn < closingTurns; turn++) {
      await nextTurn()
      found = more(resources(), this.#resources)
      if (found === undefined) break
    }
    return found
  }
}

function currentFolder(): string | undefined {
  try {
    return process.cwd()
  } catch {
    // It has been removed.
    return undefined
  }
}

function environment(): string {
  return JSON.stringify(Object.entries(process.env).sort(([one], [other]) => (one < other ? -1 : 1)))
}

/** Event -> number of listeners. */
function listeners(): Map<string, number> {
  return new Map(process.eventNames().map((event) => [String(event), process.listenerCount(event)]))
}

/** Kind -> number, of timers, sockets and whatever else keeps the event loop going. */
function resources(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const kind of process.getActiveResourcesInfo()) counts.set(kind, (counts.get(kind) ?? 0) + 1)
  return counts
}

/** The first that `now` has more of than `before`. */
function more(now: ReadonlyMap<string, number>, before: ReadonlyMap<string, number>): string | undefined {
  for (const [name, count] of now) if (count > (before.get(name) ?? 0)) return name
  return undefined
}

/** Whether nobody else is in the process group that this process leads. A system that does not tell counts as no. */
function isAlone(): boolean {
  try {
    return readdirSync('/proc').every((name) => name === String(process.pid) || !isMember(name))
  } catch {
    return false
  }
}

function isMember(name: string): boolean {
  if (!/^\d+$/.test(name)) return false
  try {
    const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
    // After the program's name, which may hold anything: state, parent, group.
    const [state, , group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return group === String(process.pid) && state !== 'Z'
  } catch {
    // It has ended meanwhile.
    return false
  }
}
