/**
 * @file What must hold before anything runs: the selection makes sense, all files lie where they may, what lies upstream
 * is in the store, and no output path holds a file that is not Flow's. Any fault here means that nothing runs (exit code 2).
 */
import type { RemoteValues } from '../artifacts/remote-values.ts'
import { Confinement } from '../confinement.ts'
import type { Diagnostic } from '../diagnostic.ts'
import type { NodeId } from '../identity.ts'
import type { Store } from '../store/store.ts'
import type { Workflow } from '../workflow/workflow.ts'
import { pathsLeadingOut } from './confine.ts'
import { decide, type Refresh } from './decide.ts'
import { absentRemotes, hashInputs, type NodeOutputs } from './inputs.ts'
import { planWorkflow } from './plan.ts'
import { type Selection, selectNodes, unknownNode } from './selection.ts'

export interface PreparedRun {
  readonly selected: ReadonlySet<NodeId>
  /** What nodes that are not selected have in the store, as far as selected nodes need it. */
  readonly upstream: ReadonlyMap<NodeId, NodeOutputs>
}

export interface RunRequest {
  /** Absolute. */
  readonly project: string
  readonly workflow: Workflow
  readonly store: Store
  readonly remotes: RemoteValues
  readonly selection: Selection
  readonly refresh: Refresh
  /** Folders outside of the project that the workflow may use, besides what the command line names. */
  readonly allowed: readonly string[]
  /** Whether a file of the user's at an output path is a fault. @default true */
  readonly checkDestinations?: boolean
}

export async function prepareRun(
  request: RunRequest,
): Promise<{ readonly prepared?: PreparedRun; readonly diagnostics: readonly Diagnostic[] }> {
  const { workflow, selection, refresh } = request
  const { nodes, diagnostics } = selectNodes(workflow, selection)
  const refreshFault =
    typeof refresh === 'string' ? undefined : unknownNode(workflow, 'refresh', refresh.node)
  if (nodes === undefined || refreshFault !== undefined) {
    return { diagnostics: refreshFault === undefined ? diagnostics : [...diagnostics, refreshFault] }
  }
  const wanted = new Set([...nodes.selected, ...nodes.upstream])
  const confinement = new Confinement(request.project, request.allowed)
  const outside = pathsLeadingOut(request.project, workflow, wanted, confinement)
  if (outside.length > 0) return { diagnostics: outside }
  const upstream = await findUpstream(request, nodes.upstream)
  if (upstream.diagnostics.length > 0) return { diagnostics: upstream.diagnostics }
  const prepared = { selected: nodes.selected, upstream: upstream.outputs }
  if (request.checkDestinations === false) return { prepared, diagnostics: [] }
  const occupied = await occupiedDestinations(request, prepared)
  return occupied.length > 0 ? { diagnostics: occupied } : { prepared, diagnostics: [] }
}

async function findUpstream(
  { project, workflow, store, remotes }: RunRequest,
  wanted: ReadonlySet<NodeId>,
): Promise<{ outputs: Map<NodeId, NodeOutputs>; diagnostics: Diagnostic[] }> {
  const outputs = new Map<NodeId, NodeOutputs>()
  const diagnostics: Diagnostic[] = []
  for (const node of workflow.nodes.values()) {
    if (
      !wanted.has(node.id) ||
      node.skipped !== undefined ||
      !node.dependsOn.every((dependency) => outputs.has(dependency))
    )
      continue
    const absent = await absentRemotes(node, remotes)
    let reason = `${absent.join(', ')} must be downloaded`
    if (absent.length === 0) {
      const inputs = await hashInputs({ project, node, store, outputs, remotes })
      const decision = await decide({ workflow, node, inputs, store, remotes, refresh: 'none' })
      if (decision.decision === 'reuse') {
        outputs.set(node.id, decision.record.outputs)
        continue
      }
      reason = decision.reason
    }
    diagnostics.push({
      code: 'missing-upstream',
      severity: 'error',
      message: `the selected nodes need the result of \`${node.id}\`, which would have to run: ${reason}`,
      hint: `run \`flow run ${workflow.file} --until ${node.id}\` first, or select it too`,
      file: node.file,
      range: node.range,
    })
  }
  return { outputs, diagnostics }
}

async function occupiedDestinations(request: RunRequest, prepared: PreparedRun): Promise<Diagnostic[]> {
  const { workflow, store } = request
  const faults = await faultyDestinations(request, prepared, new Map())
  if (faults.length === 0) return []
  // A file that already is what would be written there may stay, where that is known without running anything.
  const { nodes } = await planWorkflow(request, prepared)
  const known = new Map(
    nodes.flatMap(({ node, outputs }) => (outputs === undefined ? [] : [[node, outputs] as const])),
  )
  return await faultyDestinations({ workflow, store }, prepared, known)
}

async function faultyDestinations(
  { workflow, store }: Pick<RunRequest, 'workflow' | 'store'>,
  { selected }: PreparedRun,
  known: ReadonlyMap<NodeId, NodeOutputs>,
): Promise<Diagnostic[]> {
  const diagnostics: Diagnostic[] = []
  for (const node of workflow.nodes.values()) {
    if (!selected.has(node.id) || node.skipped !== undefined) continue
    for (const [port, path] of Object.entries(node.outputs)) {
      const fault = await store.checkDestination(path, known.get(node.id)?.[port])
      if (fault === undefined) continue
      const message = `output \`${port}\` of \`${node.id}\`: ${fault.message}`
      diagnostics.push({ ...fault, message, file: node.file, range: node.range })
    }
  }
  return diagnostics
}
