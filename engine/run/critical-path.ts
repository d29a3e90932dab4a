/** @file Which of two ready nodes goes first: the one with the longer way to the end behind it. */
import type { NodeId } from '../identity.ts'
import type { Workflow } from '../workflow/workflow.ts'

/**
 * Node -> length of the longest path that starts at it. A node is as long as it took last time; one of which that is
 * not known counts as the average of the others, and 1 where none is known.
 * @param durationsMs of earlier executions
 */
export function pathLengths(
  workflow: Workflow,
  durationsMs: ReadonlyMap<NodeId, number>,
): ReadonlyMap<NodeId, number> {
  const known = [...durationsMs.values()]
  const average = known.length === 0 ? 1 : known.reduce((sum, one) => sum + one, 0) / known.length
  /** Longest path that starts behind a node. */
  const behind = new Map<NodeId, number>()
  const lengths = new Map<NodeId, number>()
  for (const node of [...workflow.nodes.values()].reverse()) {
    const own = node.skipped === undefined ? (durationsMs.get(node.id) ?? average) : 0
    const length = own + (behind.get(node.id) ?? 0)
    lengths.set(node.id, length)
    for (const dependency of node.dependsOn) {
      behind.set(dependency, Math.max(behind.get(dependency) ?? 0, length))
    }
  }
  return lengths
}
