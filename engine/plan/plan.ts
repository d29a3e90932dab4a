/** @file What a run would do, node by node, and why. Nothing runs. */
import type { KeyPreimage } from '../fingerprint/key.ts'
import type { CacheKey, NodeId } from '../identity.ts'
import { decide, isRefreshed } from './decide.ts'
import { absentRemotes, hashInputs, type NodeOutputs } from './inputs.ts'
import type { PreparedRun, RunRequest } from './prepare.ts'

export interface PlannedNode {
  readonly node: NodeId
  readonly stage: string
  /**
   * `unknown`: depends on the output of a node that must run first, or on what must be downloaded. `skip`: its
   * condition is false.
   */
  readonly decision: 'run' | 'reuse' | 'unknown' | 'skip'
  /** One line. */
  readonly reason: string
  /** Absent where they are not known yet. */
  readonly key?: CacheKey
  readonly preimage?: KeyPreimage
  /** What is reused. */
  readonly outputs?: NodeOutputs
}

export interface Plan {
  readonly workflow: string
  readonly file: string
  /** Selected nodes, in topological order. */
  readonly nodes: readonly PlannedNode[]
}

export async function planWorkflow(request: RunRequest, prepared: PreparedRun): Promise<Plan> {
  const { project, workflow, store, refresh, remotes } = request
  const outputs = new Map<NodeId, NodeOutputs>(prepared.upstream)
  const nodes: PlannedNode[] = []
  /** Node -> the nodes that must run before its own fate is known. */
  const waitsFor = new Map<NodeId, readonly NodeId[]>()
  for (const node of workflow.nodes.values()) {
    if (!prepared.selected.has(node.id)) continue
    if (node.skipped !== undefined) {
      nodes.push({ node: node.id, stage: node.stage.name, decision: 'skip', reason: node.skipped.reason })
      continue
    }
    const pending = [...new Set(node.dependsOn.flatMap((dependency) => waitsFor.get(dependency) ?? []))]
    if (pending.length > 0) {
      const refreshed = isRefreshed(refresh, node)
      waitsFor.set(node.id, refreshed ? [...pending, node.id] : pending)
      nodes.push({
        node: node.id,
        stage: node.stage.name,
        ...(refreshed ? refreshDecision : unknownUntil(pending)),
      })
      continue
    }
    const absent = await absentRemotes(node, remotes)
    if (absent.length > 0) {
      waitsFor.set(node.id, [node.id])
      const fate = isRefreshed(refresh, node) ? refreshDecision : unknownUntilFetched(absent)
      nodes.push({ node: node.id, stage: node.stage.name, ...fate })
      continue
    }
    const inputs = await hashInputs({ project, node, store, outputs, remotes })
    const { decision, key, preimage, reason, ...found } = await decide({
      workflow,
      node,
      inputs,
      store,
      refresh,
    })
    const reused = 'record' in found ? { outputs: found.record.outputs } : {}
    nodes.push({ node: node.id, stage: node.stage.name, decision, reason, key, preimage, ...reused })
    if ('record' in found) outputs.set(node.id, found.record.outputs)
    else waitsFor.set(node.id, [node.id])
  }
  return { workflow: workflow.name, file: workflow.file, nodes }
}

const refreshDecision = { decision: 'run', reason: 'asked for by --refresh' } as const

function unknownUntilFetched(absent: readonly string[]): Pick<PlannedNode, 'decision' | 'reason'> {
  const verb = absent.length === 1 ? 'is' : 'are'
  return { decision: 'unknown', reason: `unknown until ${absent.join(', ')} ${verb} downloaded` }
}

function unknownUntil(pending: readonly NodeId[]): Pick<PlannedNode, 'decision' | 'reason'> {
  const verb = pending.length === 1 ? 'has' : 'have'
  return { decision: 'unknown', reason: `unknown until ${pending.join(', ')} ${verb} run` }
}
