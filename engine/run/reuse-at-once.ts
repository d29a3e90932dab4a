/**
 * @file A node whose result is known to be there as it was, settled without a wait: of a run that finds thousands of nodes
 * done, promises would take more time than looking. Whatever needs a second look goes the long way (`run-node.ts`).
 */
import type { NodeOutput } from '../events/event.ts'
import type { InputHashes } from '../fingerprint/key.ts'
import type { NodeId } from '../identity.ts'
import { type Decision, decideAtOnce } from '../plan/decide.ts'
import { knownInputs, knownOwnFiles, type NodeOutputs } from '../plan/inputs.ts'
import type { WorkflowNode } from '../workflow/workflow.ts'
import { isKnownGood } from './check-values.ts'
import type { NodeResult, RunContext } from './run-workflow.ts'

type ReuseDecision = Extract<Decision, { readonly decision: 'reuse' }>

/** `made`: outputs of nodes that are settled. Emits `node-finished` where there is a result. */
export function reuseAtOnce(
  context: RunContext,
  node: WorkflowNode,
  made: ReadonlyMap<NodeId, NodeOutputs>,
): Extract<NodeResult, { readonly outputs: NodeOutputs }> | undefined {
  const decision = knownDecision(context, node, made)
  if (decision === undefined) return undefined
  const { key, record, reason } = decision
  const outputs: Record<string, NodeOutput> = {}
  for (const [port, { type, hash, sizeBytes }] of Object.entries(record.outputs)) {
    outputs[port] = { type, hash, sizeBytes }
  }
  const savedMs = record.durationMs
  context.emit({
    type: 'node-finished',
    node: node.id,
    outcome: 'reused',
    key,
    durationMs: 0,
    outputs,
    savedMs,
    reason,
  })
  return { state: 'reused', outputs: record.outputs }
}

function knownDecision(
  context: RunContext,
  node: WorkflowNode,
  made: ReadonlyMap<NodeId, NodeOutputs>,
): ReuseDecision | undefined {
  const { signal, workflow, refresh, store, work } = context
  const isMaterialised = Object.keys(node.outputs).length > 0
  if (isMaterialised || signal.aborted || !node.dependsOn.every((id) => made.has(id))) return undefined
  try {
    const inputs = inputsOf(context, node, made)
    const decision = inputs && decideAtOnce({ workflow, node, inputs, store, refresh })
    if (decision?.decision !== 'reuse' || work.has(decision.key)) return undefined
    const place = { file: workflow.file, node: node.id }
    return store.isLatestRun(place, decision.key) ? decision : undefined
  } catch {
    // The long way meets it again, and tells.
    return undefined
  }
}

function inputsOf(
  { project, store, catalog }: RunContext,
  node: WorkflowNode,
  made: ReadonlyMap<NodeId, NodeOutputs>,
): InputHashes | undefined {
  const own = knownOwnFiles(project, node, store)
  const isGood = own?.every(({ port, hash }) => {
    const types = node.stage.inputs[port]?.types ?? []
    return isKnownGood({ catalog, store, kind: 'file', hash, types })
  })
  return own !== undefined && isGood ? knownInputs(node, made, own) : undefined
}
