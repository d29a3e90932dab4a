/** @file `flow logs NODE [RUN]`: what a node said in its latest attempt, while it runs or afterwards. */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Diagnostic } from '../diagnostic.ts'
import type { CacheKey, NodeId } from '../identity.ts'
import { eventsFile, isRunning, type RunState, readRuns } from '../run/journal.ts'
import { EventReader, followEvents, type RecordedEvent } from '../run/run-events.ts'
import { findRun } from '../run/run-history.ts'
import { Layout } from '../store/layout.ts'
import { heartbeatText } from '../terminal/heartbeat-text.ts'
import { durationText } from '../terminal/quantities.ts'
import { suggestionHint } from '../workflow/suggest.ts'
import type { CliCommand } from './command.ts'
import { exitCode } from './exit-code.ts'
import { reportDiagnostics } from './report-diagnostics.ts'
import { jsonOption } from './workflow-options.ts'

export const logsCommand: CliCommand = {
  name: 'logs',
  summary: 'Show what a node said, while it runs or afterwards.',
  positionals: ['NODE', '[RUN]'],
  options: {
    follow: { type: 'boolean', short: 'f', description: 'Go on until the node has ended.' },
    ...jsonOption,
  },
  details: `The log of the node's latest attempt: of the latest run in which it did anything, or of RUN: a run's id, the beginning
of one, \`latest\`, or \`latest~1\` for the one before it of the same workflow. Of a node that was reused: the log of
when its result was made. --json prints one event a line, as \`flow run --json\` does, with its \`time\`.`,

  async run({ project, options, positionals }) {
    const json = options.has('json')
    const follow = options.has('follow')
    const flowFolder = resolve(project, '.flow')
    const [name, runName] = positionals
    const found = findNode(readRuns(flowFolder), name, runName, follow)
    if ('fault' in found) {
      reportDiagnostics([found.fault], { json })
      return exitCode.invalid
    }
    const { run, node } = found
    const print = json ? printJson : printText
    const file = eventsFile(flowFolder, run.runId)
    if (run.nodes[node]?.state === 'reused' || !existsSync(file)) {
      for (const event of storedLog(flowFolder, node, run.nodes[node]?.key)) print(event)
    } else if (follow && isRunning(run)) {
      for await (const event of followEvents(file, () => isRunning(run))) {
        if (!isAbout(event, node)) continue
        print(event)
        if (isEnd(event)) break
      }
    } else for (const event of latestAttempt(file, node)) print(event)
    return exitCode.done
  },
}

/** The run, of those that are known, whose log of the node is wanted. */
function findNode(
  runs: readonly RunState[],
  name: string | undefined,
  runName: string | undefined,
  follow: boolean,
): { readonly run: RunState; readonly node: NodeId } | { readonly fault: Diagnostic } {
  const fault = (code: string, message: string, hint?: string) => ({
    fault: { code, severity: 'error' as const, message, ...(hint === undefined ? {} : { hint }) },
  })
  if (name === undefined) return fault('no-node', 'which node? `flow logs NODE [RUN]`')
  const node = name as NodeId
  const named = runName === undefined ? undefined : findRun(runs, runName)
  if (named !== undefined && 'fault' in named) return named
  if (runs.length === 0) return fault('unknown-run', 'nothing has run here yet')
  const searched = named === undefined ? runs : [named.run]
  const having = searched.filter((run) => run.nodes[node] !== undefined)
  if (having.length === 0) {
    const known = [...new Set(searched.flatMap((run) => Object.keys(run.nodes)))]
    const where = named === undefined ? 'no run that is still known' : `run ${named.run.runId}`
    const message =
      named === undefined ? `${where} has a node \`${name}\`` : `${where} has no node \`${name}\``
    return fault('unknown-node', message, suggestionHint(name, known, 'nodes'))
  }
  // Followed, a node that is still to come is waited for.
  const run = having.find((run) => run.nodes[node]?.key !== undefined || (follow && isRunning(run)))
  if (run !== undefined) return { run, node }
  const latest = having[0]!
  const reason = latest.nodes[node]?.reason
  const message = `\`${name}\` has not run yet${reason === undefined ? '' : `: ${reason}`}`
  return fault(
    'no-log',
    message,
    isRunning(latest) ? 'wait for it with -f' : `run \`flow run ${latest.file}\``,
  )
}

function isAbout(event: RecordedEvent, node: NodeId): boolean {
  return 'node' in event && event.node === node && event.type !== 'node-progress'
}

function isEnd({ type }: RecordedEvent): boolean {
  return type === 'node-finished' || type === 'node-failed' || type === 'node-skipped'
}

/** What the latest attempt of the run said, and how it ended. */
function latestAttempt(file: string, node: NodeId): readonly RecordedEvent[] {
  const reader = new EventReader(file)
  try {
    let latest: RecordedEvent[] = []
    for (const event of reader.read()) {
      if (!isAbout(event, node)) continue
      if (event.type === 'node-started') latest = []
      latest.push(event)
    }
    return latest
  } finally {
    reader.close()
  }
}

/** Kept with the result, whichever run made it. */
function storedLog(flowFolder: string, node: NodeId, key: CacheKey | undefined): readonly RecordedEvent[] {
  const file = key && new Layout(flowFolder).log(key)
  if (file === undefined || !existsSync(file)) return []
  // A message of several lines has its time before the first.
  const entries = readFileSync(file, 'utf8').split(/\n(?=\d{4}-\S+Z )/)
  return entries.flatMap((entry) => {
    const [, time, warning, message] = /^(\S+) (warning: )?(.*?)\n?$/s.exec(entry) ?? []
    if (time === undefined || message === undefined) return []
    return [{ time, type: 'node-log', node, level: warning === undefined ? 'info' : 'warning', message }]
  })
}

function printJson(event: RecordedEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

function printText(event: RecordedEvent): void {
  const text = eventText(event)
  if (text !== undefined) process.stdout.write(`${event.time} ${text}\n`)
}

/** As its log file has it; what the engine adds stands in brackets. */
function eventText(event: RecordedEvent): string | undefined {
  switch (event.type) {
    case 'node-started':
      return event.attempt === undefined ? `[${event.reason}]` : `[attempt ${event.attempt}]`
    case 'node-log':
      return event.level === 'warning' ? `warning: ${event.message}` : event.message
    case 'node-heartbeat':
      return event.stalledMs === undefined ? undefined : `[${heartbeatText(event)}]`
    case 'node-retrying': {
      const { failure, attempt, attempts, delayMs } = event
      return `${failure.code}: ${failure.message}\n[attempt ${attempt} of ${attempts} in ${durationText(delayMs)}]`
    }
    case 'node-finished':
      return `[${event.outcome} in ${durationText(event.durationMs)}]`
    case 'node-failed':
      return `${event.failure.code}: ${event.failure.stack ?? event.failure.message}`
    case 'node-skipped':
      return `[${event.reason ?? event.because}]`
    default:
      return undefined
  }
}
