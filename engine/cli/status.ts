/** @file `flow status`: the latest run of each workflow. */
import { resolve } from 'node:path'
import { isRunning, type RunState, readRuns } from '../run/journal.ts'
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
    node.failure === undefined ? outputsText(node.outputs ?? {}) : node.failure.message,
  ])
  return `${parts.join(', ')}\n${tableText(['  node', 'stage', 'state', 'outputs'], rows)}`
}

function outputsText(outputs: NonNullable<RunState['nodes'][string]['outputs']>): string {
  return Object.entries(outputs)
    .map(([port, { path, sizeBytes }]) => `${path ?? port} (${sizeText(sizeBytes)})`)
    .join(', ')
}
