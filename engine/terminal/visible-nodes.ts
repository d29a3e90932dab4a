/** @file Which nodes a terminal of a given height shows: a view taller than the terminal cannot be redrawn in place. */
import type { NodeState, NodeView } from './view-model.ts'

const importance: Readonly<Record<NodeState, number>> = {
  running: 0,
  failed: 1,
  waiting: 2,
  executed: 3,
  skipped: 4,
  reused: 5,
}

/** Keeps the order of the workflow. A running node takes two lines. */
export function visibleNodes(
  nodes: readonly NodeView[],
  lines: number,
): { readonly nodes: readonly NodeView[]; readonly hidden: number } {
  let free = lines
  const shown = new Set<NodeView>()
  for (const node of [...nodes].sort((one, other) => importance[one.state] - importance[other.state])) {
    const height = node.state === 'running' ? 2 : 1
    if (height > free) break
    free -= height
    shown.add(node)
  }
  return { nodes: nodes.filter((node) => shown.has(node)), hidden: nodes.length - shown.size }
}
