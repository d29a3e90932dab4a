/** @file From an open workflow to a run that may begin, or all that stands in its way. */
import { RemoteValues } from '../artifacts/remote-values.ts'
import type { Diagnostic } from '../diagnostic.ts'
import { type PreparedRun, prepareRun, type RunRequest } from '../plan/prepare.ts'
import { machineCapacity } from '../run/capacity.ts'
import { impossibleDemands } from '../run/demand.ts'
import type { RunOptions } from '../run/run-workflow.ts'
import type { SharedResults } from '../store/shared/shared-results.ts'
import type { Store } from '../store/store.ts'
import type { Invocation } from './command.ts'
import type { OpenWorkflow } from './open-workflow.ts'
import { readSlots } from './run-limits.ts'
import { holdSizeCap, sizeCap } from './size-cap.ts'
import { allowedFolders } from './workflow-options.ts'

export interface ReadyRun {
  readonly run: Omit<RunOptions, 'signal' | 'emit' | 'shared'>
  readonly prepared: PreparedRun
}

export interface RunMeans {
  readonly store: Store
  readonly shared: SharedResults | undefined
  readonly limits: { readonly jobs: number; readonly device: string }
  readonly wanted: Pick<RunRequest, 'selection' | 'refresh'>
}

export async function readyRun(
  { project, options }: Invocation,
  { workflow, catalog }: OpenWorkflow,
  { store, shared, limits, wanted }: RunMeans,
): Promise<ReadyRun | { readonly faults: readonly Diagnostic[] }> {
  const slots = readSlots(options, workflow)
  if ('faults' in slots) return slots
  const { device } = limits
  const capacity = machineCapacity({ ...limits, ...slots })
  const allowed = allowedFolders(options)
  const request = { project, workflow, store, remotes: new RemoteValues(catalog), allowed, ...wanted }
  const { prepared, diagnostics } = await prepareRun(request)
  if (prepared === undefined) return { faults: diagnostics }
  const impossible = await impossibleDemands(request, prepared, capacity, device)
  if (impossible.length > 0) return { faults: impossible }
  const maxBytes = sizeCap(process.env)
  const run = {
    ...request,
    capacity,
    device,
    isolate: options.has('isolate'),
    catalog,
    flowFolder: store.layout.root,
    onNodesEnded: async (emit: RunOptions['emit']) => {
      await shared?.settled()
      if (maxBytes !== undefined) await holdSizeCap(store, maxBytes, emit)
    },
  }
  return { run, prepared }
}
