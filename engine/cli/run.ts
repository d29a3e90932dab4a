/** @file `flow run WORKFLOW` */
import { resolve } from 'node:path'
import { machineCapacity } from '../run/capacity.ts'
import { impossibleDemands } from '../run/demand.ts'
import { runWorkflow } from '../run/run-workflow.ts'
import { Store } from '../store/store.ts'
import type { RunDisplay } from '../terminal/display.ts'
import { jsonLinesDisplay } from '../terminal/json-lines.ts'
import { liveDisplay } from '../terminal/live.ts'
import { plainDisplay } from '../terminal/plain.ts'
import type { CliCommand, OptionValues } from './command.ts'
import { exitCode } from './exit-code.ts'
import { interruption } from './interruption.ts'
import { openWorkflow } from './open-workflow.ts'
import { prepareOpened } from './prepare-opened.ts'
import { reportDiagnostics } from './report-diagnostics.ts'
import { limitOptions, readLimits, readSlots } from './run-limits.ts'
import { sharedCacheOptions, sharedCacheWriteOptions, sharedResults } from './shared-cache-options.ts'
import { holdSizeCap, sizeCap } from './size-cap.ts'
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
    const maxBytes = sizeCap(process.env)
    const opened = await openWorkflow(invocation, positionals[0])
    if (opened === undefined) return exitCode.invalid
    const slots = readSlots(options, opened.workflow)
    if ('faults' in slots) {
      reportDiagnostics(slots.faults, { json })
      return exitCode.invalid
    }
    const { device } = limits
    const capacity = machineCapacity({ ...limits, ...slots })

    const flowFolder = resolve(project, '.flow')
    const shared = await sharedResults(invocation, 'take')
    const store = await Store.open(flowFolder, { shared })
    const interrupt = interruption()
    try {
      const wanted = { selection: selectionOf(options), refresh: refreshOf(options) }
      const ready = await prepareOpened(invocation, opened, store, wanted)
      if (ready === undefined) return exitCode.invalid
      const { catalog } = opened
      const impossible = await impossibleDemands(ready.request, ready.prepared, capacity, device)
      if (impossible.length > 0) {
        reportDiagnostics(impossible, { json, sourceOf: opened.sourceOf })
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
          {
            ...ready.request,
            capacity,
            device,
            isolate: options.has('isolate'),
            catalog,
            flowFolder,
            signal: interrupt.signal,
            emit: display.onEvent,
            onNodesEnded: async (emit) => {
              await shared?.settled()
              if (maxBytes !== undefined) await holdSizeCap(store, maxBytes, emit)
            },
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

function openDisplay(options: OptionValues): RunDisplay {
  const write = (text: string) => process.stdout.write(text)
  if (options.has('json')) return jsonLinesDisplay(write)
  if (options.has('quiet')) return plainDisplay({ write, quiet: true })
  const { TERM: terminal, CI: automation } = process.env
  // A log of a build machine may pass for a terminal; nobody sees it being redrawn.
  if (process.stdout.isTTY !== true || terminal === 'dumb' || automation) return plainDisplay({ write })
  return liveDisplay(write)
}
