/**
 * @file The heartbeat of an owner: a counter in a file, by which processes that cannot ask whether this one lives
 * (on another machine, in another container) see that it does, and that it is not suspended. Whoever watches it
 * counts its silence by a clock of its own; no time is written.
 *
 * It beats on a thread, since a light stage may keep the engine's event loop busy for longer than anyone would wait.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import type { Worker } from 'node:worker_threads'
import type { Progress } from '../stage/define.ts'

/** An owner whose heart has not beaten for so many of its intervals has lost all that it held. */
export const missedBeatsOfDeath = 15

const defaultEveryMs = 2000
/** For one attempt: a stage may report many times a second. */
const reportEveryMs = 500

/** `FLOW_HEARTBEAT_MS`: more of it suits a file system that is slow or often away. */
export function beatEveryMs(environment: NodeJS.ProcessEnv): number {
  const everyMs = Number(environment.FLOW_HEARTBEAT_MS)
  return Number.isFinite(everyMs) && everyMs >= 10 ? everyMs : defaultEveryMs
}

export interface Beat {
  readonly beat: number
  /** How far the owner's attempts have come, by key. */
  readonly progress: Readonly<Record<string, Progress>>
}

/** As it lies there; a reader may meet it half-written. Empty where there is none. */
export function readBeat(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}

export function parseBeat(text: string): Beat | undefined {
  try {
    return JSON.parse(text) as Beat
  } catch {
    return undefined
  }
}

export interface HeartbeatFiles {
  readonly beat: string
  /** The owner's own file. */
  readonly owner: string
}

/** An owner that was suspended may have been forgotten meanwhile: from its next beat on it is known again. */
const thread = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { existsSync, writeFileSync } = require('node:fs')
  const { files, identity, everyMs } = workerData
  const progress = {}
  let beat = 0
  parentPort.on('message', ({ key, latest }) => {
    if (latest === undefined) delete progress[key]
    else progress[key] = latest
  })
  setInterval(() => {
    beat += 1
    try {
      writeFileSync(files.beat, JSON.stringify({ beat, progress }))
      if (!existsSync(files.owner)) writeFileSync(files.owner, identity)
    } catch {
      // A full disk, a server that is away: the next beat may get through.
    }
  }, everyMs)`

export class Heartbeat {
  readonly #files: HeartbeatFiles
  readonly #reportedAtMs = new Map<string, number>()
  #thread: Worker | undefined

  constructor(files: HeartbeatFiles) {
    this.#files = files
  }

  /** @param identity What the owner's file holds. */
  async start(identity: string, everyMs: number): Promise<void> {
    const first: Beat = { beat: 0, progress: {} }
    writeFileSync(this.#files.beat, JSON.stringify(first))
    // Loaded here, since a run that has nothing to do makes nothing and needs no heartbeat.
    const { Worker } = await import('node:worker_threads')
    this.#thread = new Worker(thread, {
      eval: true,
      workerData: { files: this.#files, identity, everyMs },
      execArgv: [],
      stdin: false,
    })
    this.#thread.unref()
  }

  /** The next beats tell how far the attempt at `key` has come; without `latest`, no more. */
  report(key: string, latest?: Progress): void {
    const now = performance.now()
    if (latest === undefined) {
      if (!this.#reportedAtMs.delete(key)) return
    } else {
      if (now - (this.#reportedAtMs.get(key) ?? Number.NEGATIVE_INFINITY) < reportEveryMs) return
      this.#reportedAtMs.set(key, now)
    }
    this.#thread?.postMessage({ key, latest })
  }

  /** No beat is written after it has resolved. */
  async stop(): Promise<void> {
    await this.#thread?.terminate()
    this.#thread = undefined
  }
}
