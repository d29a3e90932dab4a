/** @file What a run would do, node by node, and why. Nothing runs. */
import type { KeyPreimage } from '../fingerprint/key.ts'
import type { CacheKey, NodeId } from '../identity.ts'
import { decide, isRefreshed } from './decide.ts'
import { absentRemotes, hashInputs, type NodeOutputs } from './inputs.ts'
import type { PreparedRun, RunRequest } from './prepare.ts'

/** Nodes that a reason names; of more the number. */
const SHOWN_ROOTS = 3

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
  /** Of `unknown`: the nodes whose outputs must be made before more can be said. */
  readonly until?: readonly NodeId[]
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
  const reasonOf = new Map<NodeId, string>()
  for (const node of workflow.nodes.values()) {
    if (!prepared.selected.has(node.id)) continue
    if (node.skipped !== undefined) {
      nodes.push({ node: node.id, stage: node.stage.name, decision: 'skip', reason: node.skipped.reason })
      continue
    }
    if (node.stage.opaque) {
      waitsFor.set(node.id, [node.id])
      nodes.push({ node: node.id, stage: node.stage.name, decision: 'unknown', reason: notLookedAt })
      reasonOf.set(node.id, notLookedAt)
      continue
    }
    const pending = union(node.dependsOn.map((dependency) => waitsFor.get(dependency)))
    if (pending.length > 0) {
      const refreshed = isRefreshed(refresh, node)
      waitsFor.set(node.id, refreshed ? [...pending, node.id] : pending)
      nodes.push({
        node: node.id,
        stage: node.stage.name,
        ...(refreshed ? refreshDecision : unknownUntil(pending, reasonOf)),
      })
      if (refreshed) reasonOf.set(node.id, refreshDecision.reason)
      continue
    }
    const absent = await absentRemotes(node, remotes)
    if (absent.length > 0) {
      waitsFor.set(node.id, [node.id])
      const refreshed = isRefreshed(refresh, node)
      const fate = refreshed ? refreshDecision : unknownUntilFetched(absent)
      nodes.push({ node: node.id, stage: node.stage.name, ...fate })
      reasonOf.set(node.id, refreshed ? fate.reason : `${absent.join(', ')} must be downloaded`)
      continue
    }
    const inputs = await hashInputs({ project, node, store, outputs, remotes })
    const { decision, key, preimage, reason, ...found } = await decide({
      workflow,
      node,
      inputs,
      store,
      remotes,
      refresh,
    })
    const reused = 'record' in found ? { outputs: found.record.outputs } : {}
    nodes.push({ node: node.id, stage: node.stage.name, decision, reason, key, preimage, ...reused })
    if ('record' in found) {
      outputs.set(node.id, found.record.outputs)
      continue
    }
    waitsFor.set(node.id, [node.id])
    reasonOf.set(node.id, reason)
  }
  return { workflow: workflow.name, file: workflow.file, nodes }
}

const notLookedAt = 'its stage is code of the project, which --safe does not run'
const refreshDecision = { decision: 'run', reason: 'asked for by --refresh' } as const

function unknownUntilFetched(absent: readonly string[]): Pick<PlannedNode, 'decision' | 'reason'> {
  const verb = absent.length === 1 ? 'is' : 'are'
  return { decision: 'unknown', reason: `unknown until ${absent.join(', ')} ${verb} downloaded` }
}

/** A list that is the only one is not copied: in a long chain behind one node all share it. */
function union(lists: readonly (readonly NodeId[] | undefined)[]): readonly NodeId[] {
  const distinct = [...new Set(lists.filter((list) => list !== undefined))]
  return distinct.length === 1 ? distinct[0]! : [...new Set(distinct.flat())]
}

/** "unknown until a has run (params.times 2 -> 3)" */
function unknownUntil(
  until: readonly NodeId[],
  reasonOf: ReadonlyMap<NodeId, string>,
): Pick<PlannedNode, 'decision' | 'reason' | 'until'> {
  const shown = until.length <= SHOWN_ROOTS + 1 ? until : until.slice(0, SHOWN_ROOTS)
  const more = until.length - shown.length
  const names = `${shown.join(', ')}${more === 0 ? '' : ` and ${more} more`}`
  const reasons = new Set(until.map((node) => reasonOf.get(node)))
  const [first = ''] = reasons
  const why = reasons.size === 1 ? first : `${until[0]}: ${first}`
  const verb = until.length === 1 ? 'has' : 'have'
  return { decision: 'unknown', reason: `unknown until ${names} ${verb} run (${why})`, until }
}
