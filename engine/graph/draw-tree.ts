/**
 * @file A graph as an indented list, for where boxes find no room: each node below the last of those that it reads
 * from, with the others named.
 */
import type { NodeId } from '../identity.ts'
import { cutEnd, cutMiddle } from '../terminal/cut-text.ts'
import type { Paint } from '../terminal/paint.ts'
import { displayWidth } from '../workflow/display-width.ts'
import type { FlowGraph, GraphNode } from './flow-graph.ts'
import { layersOf } from './layers.ts'
import { nodeColour } from './node-colour.ts'

/** Deeper levels are not indented further. */
const DEEPEST_SHARE = 0.4

export function drawTree(graph: FlowGraph, width: number | undefined, paint: Paint): string {
  const { layerOf } = layersOf({ ...graph, nodes: graph.nodes.map((node) => ({ ...node, group: [] })) })
  const reads = new Map<NodeId, NodeId[]>(graph.nodes.map(({ id }) => [id, []]))
  for (const { from, to } of graph.edges) reads.get(to)?.push(from)
  const children = new Map<NodeId | undefined, GraphNode[]>()
  for (const node of graph.nodes) {
    const parent = reads
      .get(node.id)!
      .reduce<NodeId | undefined>(
        (last, id) => (last === undefined || layerOf.get(id)! >= layerOf.get(last)! ? id : last),
        undefined,
      )
    const siblings = children.get(parent)
    if (siblings === undefined) children.set(parent, [node])
    else siblings.push(node)
  }
  const lines: string[] = []
  const deepest = width === undefined ? Number.POSITIVE_INFINITY : Math.floor(width * DEEPEST_SHARE)
  // A stack of its own: a chain may be longer than the call stack is deep.
  const stack = (children.get(undefined) ?? [])
    .map((node) => ({ node, before: '', branch: '', after: '' }))
    .reverse()
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { node, before, branch, after } = top
    lines.push(lineOf({ node, indent: `${before}${branch}`, reads: reads.get(node.id)! }, width, paint))
    const below = children.get(node.id) ?? []
    const inner = before.length + after.length > deepest ? before : before + after
    const placed = below.map((child, index) => {
      const last = index === below.length - 1
      return { node: child, before: inner, branch: last ? '└─ ' : '├─ ', after: last ? '   ' : '│  ' }
    })
    stack.push(...placed.reverse())
  }
  return lines.map((line) => `${line}\n`).join('')
}

function lineOf(
  {
    node,
    indent,
    reads,
  }: { readonly node: GraphNode; readonly indent: string; readonly reads: readonly NodeId[] },
  width: number | undefined,
  paint: Paint,
): string {
  const { id, label, stage, planned } = node
  const details = [...(stage === label ? [] : [stage]), ...(planned === undefined ? [] : [planned.decision])]
  const what = details.length === 0 ? '' : ` (${details.join(', ')})`
  const others = reads.length > 1 ? ` ← ${reads.join(', ')}` : ''
  const room = width === undefined ? Number.POSITIVE_INFINITY : width - indent.length
  const name = cutMiddle(id, room)
  const rest = cutEnd(`${what}${others}`, Math.max(0, room - displayWidth(name)))
  return `${paint('dim', indent)}${paint('bold', name)}${paint(nodeColour(node), rest)}`
}
