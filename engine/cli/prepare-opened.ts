/** @file From an open workflow to one that may be planned or run, or all that stands in the way. */
import { RemoteValues } from '../artifacts/remote-values.ts'
import { type PreparedRun, prepareRun, type RunRequest } from '../plan/prepare.ts'
import type { Store } from '../store/store.ts'
import type { Invocation } from './command.ts'
import type { OpenWorkflow } from './open-workflow.ts'
import { reportDiagnostics } from './report-diagnostics.ts'
import { allowedFolders } from './workflow-options.ts'

/** Absent: the faults have been shown, and the exit code is 2. */
export async function prepareOpened(
  { project, options }: Invocation,
  { workflow, catalog, sourceOf }: OpenWorkflow,
  store: Store,
  wanted: Pick<RunRequest, 'selection' | 'refresh' | 'checkDestinations'>,
): Promise<{ readonly request: RunRequest; readonly prepared: PreparedRun } | undefined> {
  const allowed = allowedFolders(options)
  const request = { project, workflow, store, remotes: new RemoteValues(catalog), allowed, ...wanted }
  const { prepared, diagnostics } = await prepareRun(request)
  if (prepared !== undefined) return { request, prepared }
  reportDiagnostics(diagnostics, { json: options.has('json'), sourceOf })
  return undefined
}
