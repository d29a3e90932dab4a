/** @file The order of the nodes, and the cycles that leave none. */
import type { Faults } from './faults.ts'
import type { Spot } from './yaml-value.ts'

export interface Edge {
  /** The node that is needed. */
  readonly to: string
  readonly spot: Spot
}

/**
 * Names in topological order; file order where that already is one. Of cycles that share a node one is reported.
 * Depth-first with a stack of its own: a chain may be longer than the call stack is deep.
 */
export function orderNodes(edges: ReadonlyMap<string, readonly Edge[]>, faults: Faults): string[] {
  const order: string[] = []
  const state = new Map<string, 'open' | 'done'>()
  const reported = new Set<string>()
  for (const start of edges.keys()) {
    if (state.has(start)) continue
    const stack: { name: string; next: number }[] = [{ name: start, next: 0 }]
    state.set(start, 'open')
    while (stack.length > 0) {
      const top = stack.at(-1)!
      const edge = edges.get(top.name)?.[top.next++]
      if (edge === undefined) {
        state.set(top.name, 'done')
        order.push(top.name)
        stack.pop()
      } else if (!state.has(edge.to)) {
        state.set(edge.to, 'open')
        stack.push({ name: edge.to, next: 0 })
      } else if (state.get(edge.to) === 'open') {
        reportCycle(
          stack.map((frame) => frame.name),
          edge,
          reported,
          faults,
        )
      }
    }
  }
  return order
}

function reportCycle(path: readonly string[], closing: Edge, reported: Set<string>, faults: Faults): void {
  if (reported.has(closing.to)) return
  const cycle = path.slice(path.lastIndexOf(closing.to))
  if (cycle.some((name) => reported.has(name))) return
  for (const name of cycle) reported.add(name)
  const shown = cycle.length > 12 ? [...cycle.slice(0, 6), '...', ...cycle.slice(-5)] : cycle
  const names = [...shown, closing.to].map((name) => (name === '...' ? name : `\`${name}\``))
  faults.add(
    closing.spot,
    'cycle',
    `cycle: ${names.join(' needs ')}`,
    'a node cannot wait for its own result',
  )
}
