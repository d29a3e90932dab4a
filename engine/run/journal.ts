/**
 * @file What happened in a run, kept in `.flow/runs/<runId>/`: `run.json` (its state) and `events.jsonl`
 * (each event with its time). A run whose `run.json` has no `finishedAt` did not get to its end.
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
import type { FlowEvent, NodeCounts, NodeOutput } from '../events/event.ts'
import type { CacheKey, NodeId, RunId } from '../identity.ts'
import type { StageFailureDetails } from '../stage/failure.ts'
import { isSystemError } from '../stage/machine-failure.ts'

export interface RunNodeState {
  readonly stage: string
  readonly state: 'waiting' | 'running' | 'executed' | 'reused' | 'failed' | 'skipped'
  readonly key?: CacheKey
  readonly reason?: string
  readonly durationMs?: number
  /** Of a reused node: what executing it took. */
  readonly savedMs?: number
  readonly outputs?: Readonly<Record<string, NodeOutput>>
  readonly failure?: StageFailureDetails
  readonly log?: string
}

export interface RunState {
  readonly schema: 1
  readonly runId: RunId
  readonly workflow: string
  readonly file: string
  readonly pid: number
  /** ISO 8601, as all times here. */
  readonly startedAt: string
  readonly finishedAt?: string
  readonly ok?: boolean
  readonly interrupted?: boolean
  readonly counts?: NodeCounts
  readonly durationMs?: number
  readonly nodes: Readonly<Record<string, RunNodeState>>
}

/** Runs that are kept; the oldest go first. */
const keptRuns = 100

export class Journal {
  readonly #folder: string
  #events: number | undefined
  #loss: string | undefined
  #state: RunState
  readonly runId: RunId

  constructor(
    flowFolder: string,
    run: { readonly runId: RunId; readonly workflow: string; readonly file: string },
  ) {
    const runs = join(flowFolder, 'runs')
    this.runId = run.runId
    this.#folder = join(runs, run.runId)
    this.#state = { schema: 1, ...run, pid: process.pid, startedAt: new Date().toISOString(), nodes: {} }
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
    // Written at once: what a killed run did must be readable afterwards.
    this.#append(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`)
    switch (event.type) {
      case 'run-started':
        this.#state = {
          ...this.#state,
          nodes: Object.fromEntries(
            event.nodes.map(({ node, stage }) => [node, { stage, state: 'waiting' }]),
          ),
        }
        return
      case 'node-started':
        this.#update(event.node, { state: 'running', key: event.key, reason: event.reason })
        this.#try(() => this.#save())
        return
      case 'node-retrying':
        this.#update(event.node, { state: 'waiting', reason: event.failure.message, log: event.log })
        return
      case 'node-waiting':
      case 'node-progress':
      case 'node-log':
      case 'warning':
        return
      case 'node-finished': {
        const { outcome, key, durationMs, savedMs, outputs, reason } = event
        this.#update(event.node, {
          state: outcome,
          key,
          durationMs,
          outputs,
          ...(savedMs === undefined ? {} : { savedMs }),
          ...(reason === undefined ? {} : { reason }),
        })
        return
      }
      case 'node-failed': {
        const { durationMs, log } = event
        const { stack: _, ...failure } = event.failure
        this.#update(event.node, {
          state: 'failed',
          durationMs,
          failure,
          ...(log === undefined ? {} : { log }),
        })
        return
      }
      case 'node-skipped':
        this.#update(event.node, { state: 'skipped', reason: event.reason ?? event.because })
        return
      case 'run-finished':
        this.#state = {
          ...this.#state,
          finishedAt: new Date().toISOString(),
          ok: event.ok,
          interrupted: event.interrupted === true,
          counts: event.nodes,
          durationMs: event.durationMs,
        }
        this.#try(() => this.#save())
        this.#close()
        return
      default:
        event satisfies never
    }
  }

  #update(node: NodeId, change: Partial<RunNodeState>): void {
    const known = this.#state.nodes[node]
    if (known === undefined) throw new Error(`event of a node that the run does not have: ${node}`)
    this.#state = { ...this.#state, nodes: { ...this.#state.nodes, [node]: { ...known, ...change } } }
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
  #append(line: string): void {
    const events = this.#events
    if (events === undefined || this.#loss !== undefined) return
    this.#try(() => appendFileSync(events, line))
  }

  #close(): void {
    const events = this.#events
    if (events !== undefined) this.#try(() => closeSync(events))
  }

  #save(): void {
    const file = join(this.#folder, 'run.json')
    writeFileSync(`${file}.new`, `${JSON.stringify(this.#state, null, 1)}\n`)
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
      if (state.schema === 1) yield state
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
