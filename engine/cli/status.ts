/** @file `flow status`: the latest run of each workflow. */
import { resolve } from 'node:path'
import { isRunning, type RunState, readRuns } from '../run/journal.ts'
import type { ResourceUse } from '../stage/resource-use.ts'
import { durationText, sizeText } from '../terminal/quantities.ts'
import { countsText } from '../terminal/summary.ts'
import type { CliCommand } from './command.ts'
import { exitCode } from './exit-code.ts'
import { tableText } from './table.ts'
import { jsonOption } from './workflow-options.ts'

export const statusCommand: CliCommand = {
  name: 'status',
  summary: 'Show the latest run of each workflow and what it wrote.',
  positionals: ['[WORKFLOW]'],
  options: jsonOption,

  async run({ project, options, positionals }) {
    const latest = new Map<string, RunState>()
    for (const run of readRuns(resolve(project, '.flow'))) {
      if (positionals[0] !== undefined && run.file !== positionals[0]) continue
      if (!latest.has(run.file)) latest.set(run.file, run)
    }
    const runs = [...latest.values()]
    if (options.has('json')) {
      const document = { runs: runs.map((run) => ({ ...run, state: runState(run) })) }
      process.stdout.write(`${JSON.stringify(document, null, 2)}\n`)
    } else if (runs.length === 0) {
      process.stdout.write('nothing has run here yet\n')
    } else {
      process.stdout.write(runs.map(runText).join('\n'))
    }
    return exitCode.done
  },
}

type RunStateName = 'ok' | 'failed' | 'interrupted' | 'running' | 'ended early'

function runState(run: RunState): RunStateName {
  if (run.finishedAt === undefined) return isRunning(run) ? 'running' : 'ended early'
  if (run.interrupted === true) return 'interrupted'
  return run.ok === true ? 'ok' : 'failed'
}

function runText(run: RunState): string {
  const parts = [`${run.workflow} (${run.file})`, runState(run), run.startedAt]
  if (run.durationMs !== undefined) parts.push(durationText(run.durationMs))
  if (run.counts !== undefined) parts.push(countsText(run.counts))
  const rows = Object.entries(run.nodes).map(([name, node]) => [
    `  ${name}`,
    node.stage,
    node.state,
    node.state === 'reused' || node.durationMs === undefined ? '' : durationText(node.durationMs),
    ...useCells(node.resourceUse),
    node.failure === undefined ? outputsText(node.outputs ?? {}) : node.failure.message,
  ])
  const heading = ['  node', 'stage', 'state', 'time', 'cpu', 'gpu', 'memory', 'outputs']
  const isUsed = (_: string, column: number) => rows.some((row) => row[column] !== '')
  const table = tableText(
    heading.filter(isUsed),
    rows.map((row) => row.filter(isUsed)),
  )
  return `${parts.join(', ')}\n${table}`
}

function useCells({ cpuSeconds, gpuSeconds, peakMemoryBytes }: ResourceUse = {}): string[] {
  const seconds = [cpuSeconds, gpuSeconds].map((value) =>
    value === undefined ? '' : durationText(value * 1000),
  )
  return [...seconds, peakMemoryBytes === undefined ? '' : sizeText(peakMemoryBytes)]
}

function outputsText(outputs: NonNullable<RunState['nodes'][string]['outputs']>): string {
  return Object.entries(outputs)
    .map(([port, { path, sizeBytes }]) => `${path ?? port} (${sizeText(sizeBytes)})`)
    .join(', ')
}
