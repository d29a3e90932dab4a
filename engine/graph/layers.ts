/**
 * @file Which layer each node is drawn in: below all that it reads from. A group takes layers of its own, so that one
 * that follows another is drawn below all of it.
 */
import type { NodeId } from '../identity.ts'
import type { FlowGraph, GraphEdge, GraphNode } from './flow-graph.ts'

export interface Layering {
  /** From the top, 0-based. */
  readonly layerOf: ReadonlyMap<NodeId, number>
  /** Groups, as paths, that cannot be drawn as one thing: they are entered again after they were left. */
  readonly torn: ReadonlySet<string>
}

/** What is laid out as one thing: a node, or all nodes of a group. */
interface Unit {
  readonly nodes: GraphNode[]
  /** Of a group. */
  readonly group?: string
}

export function groupPath(group: readonly string[]): string {
  return group.join('/')
}

export function layersOf({ nodes, edges }: FlowGraph): Layering {
  const layerOf = new Map<NodeId, number>()
  const torn = new Set<string>()
  const dependencies = new Map<NodeId, NodeId[]>()
  for (const { from, to } of edges) dependencies.set(to, [...(dependencies.get(to) ?? []), from])
  place(nodes, 0, 0)
  return { layerOf, torn }

  /** Places `members` from layer `top` on; returns how many layers they take. */
  function place(members: readonly GraphNode[], depth: number, top: number): number {
    const grouped = unitsOf(members, depth)
    const order = inOrder(grouped, dependencies)
    if (order === undefined) {
      for (const { group } of grouped) if (group !== undefined) torn.add(group)
    }
    // Node by node there is always an order: the graph has no cycle.
    const units = order ?? members.map((node): Unit => ({ nodes: [node] }))
    const unitOf = new Map(units.flatMap((unit) => unit.nodes.map(({ id }) => [id, unit] as const)))
    const needs = (unit: Unit) =>
      new Set(
        unit.nodes
          .flatMap(({ id }) => dependencies.get(id) ?? [])
          .map((id) => unitOf.get(id))
          .filter((needed) => needed !== undefined && needed !== unit),
      ) as Set<Unit>
    const starts = new Map<Unit, number>()
    const heights = new Map<Unit, number>()
    const endOf = (unit: Unit) => starts.get(unit)! + heights.get(unit)!
    for (const unit of units) {
      const start = Math.max(0, ...[...needs(unit)].map(endOf))
      starts.set(unit, start)
      heights.set(unit, unit.group === undefined ? 1 : place(unit.nodes, depth + 1, top + start))
    }
    sink(units, needs, starts, heights)
    for (const unit of units) {
      if (unit.group === undefined) layerOf.set(unit.nodes[0]!.id, top + starts.get(unit)!)
      else place(unit.nodes, depth + 1, top + starts.get(unit)!)
    }
    return Math.max(0, ...units.map(endOf))
  }
}

/** What reads from nothing is drawn just above the first that needs it, not at the very top. */
function sink(
  units: readonly Unit[],
  needs: (unit: Unit) => ReadonlySet<Unit>,
  starts: Map<Unit, number>,
  heights: ReadonlyMap<Unit, number>,
): void {
  const firstUse = new Map<Unit, number>()
  for (const unit of units) {
    for (const needed of needs(unit)) {
      firstUse.set(needed, Math.min(firstUse.get(needed) ?? Number.POSITIVE_INFINITY, starts.get(unit)!))
    }
  }
  for (const unit of units) {
    const use = firstUse.get(unit)
    if (use !== undefined && needs(unit).size === 0) starts.set(unit, use - heights.get(unit)!)
  }
}

function unitsOf(members: readonly GraphNode[], depth: number): Unit[] {
  const units = new Map<string, Unit>()
  for (const node of members) {
    const group = node.group.length > depth ? groupPath(node.group.slice(0, depth + 1)) : undefined
    const key = group === undefined ? `node ${node.id}` : `group ${group}`
    const unit = units.get(key)
    if (unit === undefined) units.set(key, { nodes: [node], ...(group === undefined ? {} : { group }) })
    else unit.nodes.push(node)
  }
  return [...units.values()]
}

/** Each after all that it needs; undefined where they need one another in a circle. */
function inOrder(
  units: readonly Unit[],
  dependencies: ReadonlyMap<NodeId, readonly NodeId[]>,
): readonly Unit[] | undefined {
  const unitOf = new Map(units.flatMap((unit) => unit.nodes.map(({ id }) => [id, unit] as const)))
  const waiting = new Map<Unit, Set<Unit>>()
  const neededBy = new Map<Unit, Unit[]>()
  for (const unit of units) {
    const needed = new Set<Unit>()
    for (const id of unit.nodes.flatMap((node) => dependencies.get(node.id) ?? [])) {
      const other = unitOf.get(id)
      if (other !== undefined && other !== unit) needed.add(other)
    }
    waiting.set(unit, needed)
    for (const other of needed) {
      const users = neededBy.get(other)
      if (users === undefined) neededBy.set(other, [unit])
      else users.push(unit)
    }
  }
  const order: Unit[] = units.filter((unit) => waiting.get(unit)!.size === 0)
  for (let at = 0; at < order.length; at++) {
    for (const unit of neededBy.get(order[at]!) ?? []) {
      const needed = waiting.get(unit)!
      needed.delete(order[at]!)
      if (needed.size === 0) order.push(unit)
    }
  }
  return order.length === units.length ? order : undefined
}

/** Edges by the node that they come from. */
export function edgesFrom(edges: readonly GraphEdge[]): ReadonlyMap<NodeId, readonly GraphEdge[]> {
  const found = new Map<NodeId, GraphEdge[]>()
  for (const edge of edges) {
    const known = found.get(edge.from)
    if (known === undefined) found.set(edge.from, [edge])
    else known.push(edge)
  }
  return found
}
