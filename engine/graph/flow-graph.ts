/** @file A workflow as a picture needs it: nodes, what flows between them, and what belongs together. */
import type { NodeId } from '../identity.ts'
import { inputSources } from '../plan/inputs.ts'
import type { Plan, PlannedNode } from '../plan/plan.ts'
import type { Workflow, WorkflowNode } from '../workflow/workflow.ts'

export interface GraphNode {
  readonly id: NodeId
  /** The id without what its group says already. */
  readonly label: string
  readonly stage: string
  /** Outermost first. */
  readonly group: readonly string[]
  /** Where a plan was asked for. */
  readonly planned?: Pick<PlannedNode, 'decision' | 'reason'>
}

export interface GraphEdge {
  readonly from: NodeId
  readonly to: NodeId
  /** What flows: `adapter`, or `log -> logs.SFT` where it enters by another name. */
  readonly ports: readonly string[]
}

export interface FlowGraph {
  readonly name: string
  /** In topological order. */
  readonly nodes: readonly GraphNode[]
  readonly edges: readonly GraphEdge[]
}

/** With a plan: of its nodes only, and with what it says of them. */
export function graphOf(workflow: Workflow, plan?: Plan): FlowGraph {
  const planned = new Map(plan?.nodes.map((node) => [node.node, node]))
  const nodes = [...workflow.nodes.values()].filter(({ id }) => plan === undefined || planned.has(id))
  return {
    name: workflow.name,
    nodes: nodes.map((node) => {
      const group = groupOf(node)
      const prefix = group.map((name) => `${name}/`).join('')
      const label = node.id.startsWith(prefix) ? node.id.slice(prefix.length) : node.id
      const fate = planned.get(node.id)
      const shown = fate === undefined ? {} : { planned: { decision: fate.decision, reason: fate.reason } }
      return { id: node.id, label, stage: node.stage.name, group, ...shown }
    }),
    edges: nodes.flatMap((node) => edgesTo(node, new Set(nodes.map(({ id }) => id)))),
  }
}

/** What a node is drawn within. */
function groupOf({ id, group }: WorkflowNode): readonly string[] {
  // All that one value of a loop was expanded to may be a single node.
  return group.length > 0 && id === group.join('/') ? group.slice(0, -1) : group
}

function edgesTo(node: WorkflowNode, drawn: ReadonlySet<NodeId>): GraphEdge[] {
  const ports = new Map<NodeId, string[]>(node.dependsOn.map((dependency) => [dependency, []]))
  for (const { port, label, source } of inputSources(node)) {
    if (source.kind !== 'node') continue
    const place = label === undefined ? port : `${port}.${label}`
    const text = source.port === place ? place : `${source.port} -> ${place}`
    ports.set(source.node, [...(ports.get(source.node) ?? []), text])
  }
  return [...ports]
    .filter(([from]) => drawn.has(from))
    .map(([from, texts]) => ({ from, to: node.id, ports: texts }))
}
