/** @file `flow run WORKFLOW` */
import { resolve } from 'node:path'
import type { Diagnostic } from '../diagnostic.ts'
import { runWorkflow } from '../run/run-workflow.ts'
import { defaultJobs } from '../run/slots.ts'
import { Store } from '../store/store.ts'
import type { RunDisplay } from '../terminal/display.ts'
import { jsonLinesDisplay } from '../terminal/json-lines.ts'
import { liveDisplay } from '../terminal/live.ts'
import { plainDisplay } from '../terminal/plain.ts'
import { suggestionHint } from '../workflow/suggest.ts'
import type { CliCommand, OptionValues } from './command.ts'
import { exitCode } from './exit-code.ts'
import { interruption } from './interruption.ts'
import { openWorkflow } from './open-workflow.ts'
import { prepareOpened } from './prepare-opened.ts'
import { reportDiagnostics } from './report-diagnostics.ts'
import { jsonOption, refreshOf, selectionOf, selectionOptions, valueOptions } from './workflow-options.ts'

const devices = ['auto', 'cpu', 'webgpu', 'cuda', 'tensorflow']

export const runCommand: CliCommand = {
  name: 'run',
  summary: 'Run a workflow; what is already done is reused.',
  positionals: ['WORKFLOW'],
  options: {
    ...valueOptions,
    ...selectionOptions,
    jobs: {
      type: 'string',
      value: 'N',
      description: `How many stages may run side by side (default here: ${defaultJobs}). Never changes a result.`,
    },
    device: {
      type: 'string',
      value: 'NAME',
      description: `What stages compute on: ${devices.join(', ')} (default: auto).`,
    },
    ...jsonOption,
    quiet: { type: 'boolean', description: 'Only failures and the last line.' },
  },
  details: `Of the nodes that --only, --from and --until leave, each one is reused if the store has its result for
these very inputs, parameters and code, and runs otherwise. --refresh runs them in any case and keeps the new
result. A failed node stops only the nodes that depend on it.

Ctrl-C stops cleanly: stages may write a checkpoint first. A second Ctrl-C stops at once.
--json prints one event a line; the last is {"type":"run-finished","ok":...,"nodes":{...},"durationMs":...}.

Exit codes: 0 done, 1 a node failed, 2 the workflow or the command line is wrong (nothing ran), 130 interrupted.`,

  async run(invocation) {
    const { project, options, positionals } = invocation
    const json = options.has('json')
    const limits = runLimits(options)
    if ('fault' in limits) {
      reportDiagnostics([limits.fault], { json })
      return exitCode.invalid
    }
    const opened = await openWorkflow(invocation, positionals[0])
    if (opened === undefined) return exitCode.invalid

    const flowFolder = resolve(project, '.flow')
    const store = await Store.open(flowFolder)
    const interrupt = interruption()
    try {
      const wanted = { selection: selectionOf(options), refresh: refreshOf(options) }
      const ready = await prepareOpened(invocation, opened, store, wanted)
      if (ready === undefined) return exitCode.invalid
      const { catalog } = opened
      const display = openDisplay(options)
      // Told at once, since stopping cleanly may take as long as a checkpoint takes.
      interrupt.onInterrupt(() =>
        display.onEvent({ type: 'warning', message: 'stopping; press Ctrl-C again to stop at once' }),
      )
      try {
        const summary = await runWorkflow(
          {
            ...ready.request,
            ...limits,
            catalog,
            flowFolder,
            signal: interrupt.signal,
            emit: display.onEvent,
          },
          ready.prepared,
        )
        if (summary.interrupted) return exitCode.interrupted
        return summary.ok ? exitCode.done : exitCode.failed
      } finally {
        await display.close()
      }
    } finally {
      interrupt.close()
      await store.close()
    }
  },
}

function runLimits(options: OptionValues): { jobs: number; device: string } | { fault: Diagnostic } {
  const jobsText = options.text('jobs')
  const jobs = jobsText === undefined ? defaultJobs : Number(jobsText)
  if (!Number.isInteger(jobs) || jobs < 1) {
    const message = `--jobs needs a whole number of at least 1, not \`${jobsText}\``
    return { fault: { code: 'option-value', severity: 'error', message } }
  }
  const device = options.text('device') ?? 'auto'
  if (!devices.includes(device)) {
    const hint = suggestionHint(device, devices)
    const message = `there is no device \`${device}\``
    return {
      fault: { code: 'option-value', severity: 'error', message, ...(hint === undefined ? {} : { hint }) },
    }
  }
  return { jobs, device }
}

function openDisplay(options: OptionValues): RunDisplay {
  const write = (text: string) => process.stdout.write(text)
  if (options.has('json')) return jsonLinesDisplay(write)
  if (options.has('quiet')) return plainDisplay({ write, quiet: true })
  const { TERM: terminal, CI: automation } = process.env
  // A log of a build machine may pass for a terminal; nobody sees it being redrawn.
  if (process.stdout.isTTY !== true || terminal === 'dumb' || automation) return plainDisplay({ write })
  return liveDisplay(write)
}
