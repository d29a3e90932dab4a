/**
 * @file What happened in a run, kept in `.flow/runs/<runId>/`: `events.jsonl` (each event with its time) and `run.json`,
 * its state at the end. A run whose `run.json` has no `finishedAt` runs still or did not get to its end; then its events
 * tell how far it got.
 */
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import type { FlowEvent } from '../events/event.ts'
import type { RunId } from '../identity.ts'
import { isSystemError } from '../stage/machine-failure.ts'
import { applyEvent, type GrowingRunState, type RunState } from './run-state.ts'

export type { RunNodeState, RunState } from './run-state.ts'

/** Runs that are kept; the oldest go first. */
const keptRuns = 100
/** What was only reused may be noted this much later. */
const heldCharacters = 1 << 16

export class Journal {
  readonly #folder: string
  #events: number | undefined
  #loss: string | undefined
  #held = ''
  readonly #state: GrowingRunState
  readonly runId: RunId

  constructor(
    flowFolder: string,
    run: { readonly runId: RunId; readonly workflow: string; readonly file: string },
  ) {
    const runs = join(flowFolder, 'runs')
    this.runId = run.runId
    this.#folder = join(runs, run.runId)
    this.#state = {
      schema: 1,
      ...run,
      pid: process.pid,
      startedAt: new Date().toISOString(),
      nodes: new Map(),
    }
    this.#try(() => {
      mkdirSync(this.#folder, { recursive: true })
      this.#events = openSync(eventsFile(flowFolder, run.runId), 'a')
      this.#save()
      removeOldRuns(runs)
    })
  }

  /** Why this run's history has gaps, if it has. */
  get loss(): string | undefined {
    return this.#loss
  }

  readonly onEvent = (event: FlowEvent): void => {
    const time = new Date().toISOString()
    // The time first, without a copy of the event.
    this.#held += `{"time":"${time}",${JSON.stringify(event).slice(1)}\n`
    // Written at once: what a killed run did must be readable afterwards. What it found done, it did not do.
    const isDone = event.type === 'node-finished' && event.outcome === 'reused'
    if (!isDone || this.#held.length > heldCharacters) this.#flush()
    applyEvent(this.#state, event, time)
    if (event.type !== 'run-finished') return
    this.#try(() => this.#save())
    this.#close()
  }

  /** The history serves people, not the run: where the system refuses to keep it, the run goes on. */
  #try(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (!isSystemError(error)) throw error
      this.#loss ??= error.message
    }
  }

  /** No line after one that was lost: it might stand behind half of that one. */
  #flush(): void {
    const events = this.#events
    const lines = this.#held
    this.#held = ''
    if (events === undefined || this.#loss !== undefined) return
    this.#try(() => appendFileSync(events, lines))
  }

  #close(): void {
    const events = this.#events
    if (events !== undefined) this.#try(() => closeSync(events))
  }

  #save(): void {
    const file = join(this.#folder, 'run.json')
    writeFileSync(`${file}.new`, `${JSON.stringify(asRead(this.#state))}\n`)
    renameSync(`${file}.new`, file)
  }
}

/** Where a run's events are kept, one JSON object a line. */
export function eventsFile(flowFolder: string, runId: RunId): string {
  return join(flowFolder, 'runs', runId, 'events.jsonl')
}

/** All runs that can be read, latest first. */
export function readRuns(flowFolder: string): RunState[] {
  return [...latestRuns(flowFolder)]
}

/** The same, each read when it is asked for. */
export function* latestRuns(flowFolder: string): Generator<RunState> {
  const runs = join(flowFolder, 'runs')
  for (const runId of runIds(runs).reverse()) {
    try {
      const state = JSON.parse(readFileSync(join(runs, runId, 'run.json'), 'utf8')) as RunState
      if (state.schema !== 1) continue
      yield state.finishedAt === undefined ? withEvents(state, join(runs, runId, 'events.jsonl')) : state
    } catch {
      // Of a run that was killed as it began, or removed meanwhile.
    }
  }
}

/** It has not ended, and its process is there. */
export function isRunning({ finishedAt, pid }: RunState): boolean {
  if (finishedAt !== undefined) return false
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** The state that the events have led to so far. */
function withEvents(state: RunState, file: string): RunState {
  const grown: GrowingRunState = { ...state, nodes: new Map(Object.entries(state.nodes)) }
  const lines = readFileSync(file, 'utf8').split('\n')
  // The last one is empty, or is being written at this moment.
  for (const line of lines.slice(0, -1)) {
    const { time, ...event } = JSON.parse(line) as FlowEvent & { readonly time: string }
    applyEvent(grown, event, time)
  }
  return asRead(grown)
}

function asRead({ nodes, ...state }: GrowingRunState): RunState {
  return { ...state, nodes: Object.fromEntries(nodes) }
}

function runIds(runs: string): string[] {
  try {
    return readdirSync(runs).sort()
  } catch {
    return []
  }
}

function removeOldRuns(runs: string): void {
  for (const runId of runIds(runs).slice(0, -keptRuns))
    rmSync(join(runs, runId), { recursive: true, force: true })
}
