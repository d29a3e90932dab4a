/** @file Which of two ready nodes goes first: the one with the longer way to the end behind it. */
import type { NodeId } from '../identity.ts'
import type { Workflow } from '../workflow/workflow.ts'

/** Node -> number of nodes on the longest path that starts at it. */
export function pathLengths(workflow: Workflow): ReadonlyMap<NodeId, number> {
  const lengths = new Map<NodeId, number>()
  for (const node of [...workflow.nodes.values()].reverse()) {
    const own = lengths.get(node.id) ?? 1
    lengths.set(node.id, own)
    for (const dependency of node.dependsOn) {
      lengths.set(dependency, Math.max(lengths.get(dependency) ?? 1, own + 1))
    }
  }
  return lengths
}
