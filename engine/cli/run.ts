/** @file `flow run WORKFLOW` */
import { resolve } from 'node:path'
import { runWorkflow } from '../run/run-workflow.ts'
import { Store } from '../store/store.ts'
import type { CliCommand } from './command.ts'
import { exitCode } from './exit-code.ts'
import { interruption } from './interruption.ts'
import { openDisplay } from './open-display.ts'
import { openWorkflow } from './open-workflow.ts'
import { readyRun } from './ready-run.ts'
import { reportDiagnostics } from './report-diagnostics.ts'
import { limitOptions, readLimits } from './run-limits.ts'
import { sharedCacheOptions, sharedCacheWriteOptions, sharedResults } from './shared-cache-options.ts'
import { jsonOption, refreshOf, selectionOf, selectionOptions, valueOptions } from './workflow-options.ts'

export const runCommand: CliCommand = {
  name: 'run',
  summary: 'Run a workflow; what is already done is reused.',
  positionals: ['WORKFLOW'],
  options: {
    ...valueOptions,
    ...selectionOptions,
    ...limitOptions,
    ...sharedCacheOptions,
    ...sharedCacheWriteOptions,
    isolate: {
      type: 'boolean',
      description:
        'Every node gets a process of its own, which loads its model anew. Never changes a result.',
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
    const limits = readLimits(options)
    if ('faults' in limits) {
      reportDiagnostics(limits.faults, { json })
      return exitCode.invalid
    }
    const opened = await openWorkflow(invocation, positionals[0])
    if (opened === undefined) return exitCode.invalid
    const shared = await sharedResults(invocation, 'take')
    const store = await Store.open(resolve(project, '.flow'), { shared })
    const interrupt = interruption()
    try {
      const wanted = { selection: selectionOf(options), refresh: refreshOf(options) }
      const ready = await readyRun(invocation, opened, { store, shared, limits, wanted })
      if ('faults' in ready) {
        reportDiagnostics(ready.faults, { json, sourceOf: opened.sourceOf })
        return exitCode.invalid
      }
      const display = openDisplay(options)
      // Told at once, since stopping cleanly may take as long as a checkpoint takes.
      interrupt.onInterrupt(() =>
        display.onEvent({ type: 'warning', message: 'stopping; press Ctrl-C again to stop at once' }),
      )
      shared?.onWarning((message) => display.onEvent({ type: 'warning', message }))
      try {
        const summary = await runWorkflow(
          { ...ready.run, signal: interrupt.signal, emit: display.onEvent },
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
