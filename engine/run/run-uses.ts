/** @file Which results the kept runs made or reused, read off their journals: it costs the runs themselves nothing. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FlowEvent } from '../events/event.ts'
import type { CacheKey, RunId } from '../identity.ts'
import type { RunUse } from '../store/run-use.ts'
import { isRunning, type RunState, readRuns } from './journal.ts'

/** Of all runs that are kept, latest first. */
export function readRunUses(flowFolder: string): RunUse[] {
  return readRuns(flowFolder).map((run) => ({
    runId: run.runId,
    file: run.file,
    running: isRunning(run),
    usedMs: Date.parse(run.finishedAt ?? run.startedAt),
    // The state of a run that goes on, or was killed, lags behind its events.
    keys: run.finishedAt === undefined ? keysOfEvents(flowFolder, run.runId) : keysOfState(run),
  }))
}

function keysOfState(run: RunState): Map<string, CacheKey> {
  const keys = new Map<string, CacheKey>()
  for (const [node, { key }] of Object.entries(run.nodes)) if (key !== undefined) keys.set(node, key)
  return keys
}

function keysOfEvents(flowFolder: string, runId: RunId): Map<string, CacheKey> {
  const keys = new Map<string, CacheKey>()
  let lines: string[]
  try {
    // Without the last piece: a line without its end is being written, or never was finished.
    lines = readFileSync(join(flowFolder, 'runs', runId, 'events.jsonl'), 'utf8')
      .split('\n')
      .slice(0, -1)
  } catch {
    return keys
  }
  for (const line of lines) {
    const event = JSON.parse(line) as FlowEvent
    if (event.type === 'node-started' || event.type === 'node-finished') keys.set(event.node, event.key)
  }
  return keys
}
