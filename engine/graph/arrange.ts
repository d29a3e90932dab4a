/**
 * @file The order of what is drawn in each layer, with few crossings. An edge that spans several layers passes through
 * each of them as a bend; all edges of a node share one line of bends, from which they branch off where they end.
 */
import type { NodeId } from '../identity.ts'
import type { FlowGraph, GraphNode } from './flow-graph.ts'
import { edgesFrom, groupPath, type Layering, layersOf } from './layers.ts'

const SWEEPS = 24
/** A picture of so many things is not looked at closely. */
const MANY_ITEMS = 2000

export interface Item {
  /** Absent: a bend. */
  readonly node?: GraphNode
  /** Whose output passes through a bend. */
  readonly source: NodeId
  readonly layer: number
  /** Without groups that are torn. */
  readonly group: readonly string[]
  /** In the layer above, and below. */
  readonly above: Item[]
  readonly below: Item[]
}

export interface Arrangement {
  /** From the top; each from left to right. Members of a group stand side by side. */
  readonly layers: readonly (readonly Item[])[]
}

export function arrange(graph: FlowGraph): Arrangement {
  const layering = layersOf(graph)
  const layers = itemsOf(graph, layering)
  const sweeps = layers.reduce((sum, layer) => sum + layer.length, 0) > MANY_ITEMS ? 4 : SWEEPS
  let best = layers.map((layer) => grouped(layer, new Map(layer.map((item, at) => [item, at]))))
  let fewest = crossings(best)
  let current = best
  for (let sweep = 0; sweep < sweeps && fewest > 0; sweep++) {
    current = swept(current, sweep % 2 === 0)
    const count = crossings(current)
    if (count < fewest) [best, fewest] = [current, count]
  }
  return { layers: best }
}

function itemsOf({ nodes, edges }: FlowGraph, { layerOf, torn }: Layering): Item[][] {
  const layers: Item[][] = []
  const add = (item: Item) => {
    for (let layer = layers.length; layer <= item.layer; layer++) layers.push([])
    layers[item.layer]!.push(item)
    return item
  }
  const drawnGroup = (group: readonly string[]) =>
    group.filter((_, depth) => !torn.has(groupPath(group.slice(0, depth + 1))))
  const itemOf = new Map<NodeId, Item>()
  for (const node of nodes) {
    const layer = layerOf.get(node.id)!
    const group = drawnGroup(node.group)
    itemOf.set(node.id, add({ node, source: node.id, layer, group, above: [], below: [] }))
  }
  for (const [from, outgoing] of edgesFrom(edges)) {
    let last = itemOf.get(from)!
    const targets = outgoing.map(({ to }) => itemOf.get(to)!).sort((a, b) => a.layer - b.layer)
    for (const [index, target] of targets.entries()) {
      while (last.layer < target.layer - 1) {
        const group = targets
          .slice(index)
          .reduce((shared, { group }) => commonGroup(shared, group), last.group)
        const bend = add({ source: from, layer: last.layer + 1, group, above: [last], below: [] })
        last.below.push(bend)
        last = bend
      }
      last.below.push(target)
      target.above.push(last)
    }
  }
  return layers
}

function commonGroup(one: readonly string[], other: readonly string[]): readonly string[] {
  const differs = one.findIndex((name, depth) => name !== other[depth])
  return differs < 0 ? one : one.slice(0, differs)
}

/** Every layer ordered by where its neighbours stand: those above, going down, or those below, going up. */
function swept(layers: readonly (readonly Item[])[], down: boolean): Item[][] {
  const result = layers.map((layer) => [...layer])
  const order = result.map((_, index) => (down ? index : result.length - 1 - index))
  for (const index of order.slice(1)) {
    const fixed = result[down ? index - 1 : index + 1]!
    const places = new Map(fixed.map((item, at) => [item, (at + 0.5) / fixed.length]))
    const layer = result[index]!
    const values = new Map(
      layer.map((item, at) => {
        const around = (down ? item.above : item.below).map((neighbour) => places.get(neighbour)!)
        const mean = around.reduce((sum, place) => sum + place, 0) / around.length
        return [item, around.length === 0 ? (at + 0.5) / layer.length : mean] as const
      }),
    )
    result[index] = grouped(layer, values)
  }
  return result
}

/** Sorted by value, members of a group side by side. Equal values keep their order. */
function grouped(layer: readonly Item[], values: ReadonlyMap<Item, number>, depth = 0): Item[] {
  const units = new Map<string | Item, Item[]>()
  for (const item of layer) {
    const unit = item.group.length > depth ? item.group[depth]! : item
    units.set(unit, [...(units.get(unit) ?? []), item])
  }
  const mean = (items: readonly Item[]) =>
    items.reduce((sum, item) => sum + values.get(item)!, 0) / items.length
  return [...units]
    .map(([unit, items]) => ({ unit, items, value: mean(items) }))
    .sort((one, other) => one.value - other.value)
    .flatMap(({ unit, items }) => (typeof unit === 'string' ? grouped(items, values, depth + 1) : items))
}

function crossings(layers: readonly (readonly Item[])[]): number {
  let count = 0
  for (const [index, layer] of layers.entries()) {
    const next = layers[index + 1]
    if (next === undefined) break
    const places = new Map(next.map((item, at) => [item, at]))
    const ends = layer.flatMap((item) =>
      item.below.map((neighbour) => places.get(neighbour)!).sort((a, b) => a - b),
    )
    count += inversions(ends, next.length)
  }
  return count
}

/** Pairs that stand in the wrong order; a tree of sums over the places seen so far. */
function inversions(places: readonly number[], size: number): number {
  const sums = new Array<number>(size + 1).fill(0)
  let count = 0
  for (const [seen, place] of places.entries()) {
    let notAfter = 0
    for (let at = place + 1; at > 0; at -= at & -at) notAfter += sums[at]!
    count += seen - notAfter
    for (let at = place + 1; at <= size; at += at & -at) sums[at]! += 1
  }
  return count
}
