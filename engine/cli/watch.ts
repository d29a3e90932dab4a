/** @file `flow watch WORKFLOW` */
import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Diagnostic } from '../diagnostic.ts'
import { isStageFailure } from '../stage/failure.ts'
import { isSystemError } from '../stage/machine-failure.ts'
import { Store } from '../store/store.ts'
import { FileWatcher } from '../watch/file-watcher.ts'
import { type Reading, watchWorkflow } from '../watch/watch-workflow.ts'
import { dependencies } from '../watch/watched-files.ts'
import { renderDiagnostics } from '../workflow/render-diagnostic.ts'
import type { CliCommand, Invocation } from './command.ts'
import { exitCode } from './exit-code.ts'
import { interruption } from './interruption.ts'
import { openDisplay } from './open-display.ts'
import { type ReadWorkflow, readWorkflow } from './open-workflow.ts'
import { type RunMeans, readyRun } from './ready-run.ts'
import { reportDiagnostics, wantsColor, withPositions } from './report-diagnostics.ts'
import { limitOptions, readLimits } from './run-limits.ts'
import { sharedCacheOptions, sharedCacheWriteOptions, sharedResults } from './shared-cache-options.ts'
import { jsonOption, selectionOf, selectionOptions, valueOptions } from './workflow-options.ts'

const { refresh: _, ...whichNodes } = selectionOptions

export const watchCommand: CliCommand = {
  name: 'watch',
  summary: 'Run a workflow, and again whenever something that it depends on changes.',
  positionals: ['WORKFLOW'],
  options: {
    ...valueOptions,
    ...whichNodes,
    ...limitOptions,
    ...sharedCacheOptions,
    ...sharedCacheWriteOptions,
    ...jsonOption,
  },
  details: `Watched are the workflow's own files and those that it uses, its data files, and the code of its stages.
A change while nodes run stops only those whose result it makes useless; the others go on. Changes that come
together count as one. A workflow that is not valid for the moment is told, and the next change waited for.

Ctrl-C ends it; running stages may write a checkpoint first. A second Ctrl-C stops at once.
--json prints one event a line: those of \`flow run\`, and between two runs {"type":"files-changed","files":[...],
"stopped":[...],"kept":[...]}, {"type":"invalid","diagnostics":[...]} or {"type":"watching","files":N}. The events of a
run that a change finds at work end with the next files-changed.

Exit codes: 0 ended while nothing ran, 2 the command line is wrong or there is no such file, 130 nodes were stopped.`,

  async run(invocation) {
    const { project, options, positionals } = invocation
    const limits = readLimits(options)
    if ('faults' in limits) {
      reportDiagnostics(limits.faults, { json: options.has('json') })
      return exitCode.invalid
    }
    const first = await readWorkflow(invocation, positionals[0])
    if (first.unusable) {
      reportDiagnostics(first.diagnostics, { json: options.has('json') })
      return exitCode.invalid
    }
    const shared = await sharedResults(invocation, 'take')
    const store = await Store.open(resolve(project, '.flow'), { shared })
    const watcher = new FileWatcher(realpathSync(project))
    const display = openDisplay(options)
    const interrupt = interruption()
    shared?.onWarning((message) => display.onEvent({ type: 'warning', message }))
    try {
      // Before anything is read that the run is made of.
      await watcher.watch(first.files.map((file) => resolve(realpathSync(project), file)))
      const { stopped } = await watchWorkflow({
        read: reader(invocation, {
          store,
          shared,
          limits,
          wanted: { selection: selectionOf(options), refresh: 'none' },
        }),
        watcher,
        emit: display.onEvent,
        interrupt: interrupt.signal,
      })
      return stopped ? exitCode.interrupted : exitCode.done
    } finally {
      interrupt.close()
      await watcher.close()
      await display.close()
      await store.close()
    }
  },
}

/** Reads the files as they are. What a faulty workflow depended on before its fault may be what mends it. */
function reader(invocation: Invocation, means: RunMeans): () => Promise<Reading> {
  const { positionals } = invocation
  const project = realpathSync(invocation.project)
  let known: readonly string[] = []
  return async () => {
    const read = await readWorkflow(invocation, positionals[0])
    const own = read.files.map((file) => resolve(project, file))
    const invalid = (diagnostics: readonly Diagnostic[]): Reading => {
      known = [...new Set([...known, ...own, resolve(project, 'stages')])]
      return { files: known, invalid: invalidEvent(diagnostics, read) }
    }
    const { opened } = read
    if (opened === undefined) return invalid(read.diagnostics)
    known = [...new Set([...own, ...dependencies(project, opened.workflow)])]
    try {
      const ready = await readyRun(invocation, opened, means)
      return 'faults' in ready ? invalid(ready.faults) : { files: known, ...ready }
    } catch (error) {
      // A file that is being replaced while it is read, most likely.
      if (isStageFailure(error)) return invalid([{ severity: 'error', ...error.details }])
      if (!isSystemError(error)) throw error
      return invalid([{ code: 'unreadable-file', severity: 'error', message: error.message }])
    }
  }
}

function invalidEvent(
  diagnostics: readonly Diagnostic[],
  { sourceOf }: ReadWorkflow,
): Extract<Reading, { invalid: unknown }>['invalid'] {
  const color = wantsColor(process.stdout)
  return {
    type: 'invalid',
    diagnostics: withPositions(diagnostics, sourceOf),
    text: renderDiagnostics(diagnostics, sourceOf, { color }).trimEnd(),
  }
}
