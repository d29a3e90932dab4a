/** @file The groups of a graph as a tree. */
import type { GraphNode } from './flow-graph.ts'
import { groupPath } from './layers.ts'

export interface Group {
  /** `rounds/2`; '' for the graph itself. */
  readonly path: string
  readonly nodes: readonly GraphNode[]
  readonly groups: readonly Group[]
}

/** Members in the order of their first appearance. */
export function groupTree(nodes: readonly GraphNode[], parent: readonly string[] = []): Group {
  const depth = parent.length
  const own = nodes.filter(({ group }) => group.length === depth)
  const inner = new Map<string, GraphNode[]>()
  for (const node of nodes) {
    const name = node.group[depth]
    if (name === undefined) continue
    const members = inner.get(name)
    if (members === undefined) inner.set(name, [node])
    else members.push(node)
  }
  const groups = [...inner].map(([name, members]) => groupTree(members, [...parent, name]))
  return { path: groupPath(parent), nodes: own, groups }
}
