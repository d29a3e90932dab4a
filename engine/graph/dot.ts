/** @file A graph in DOT, for Graphviz. */
import type { PlannedNode } from '../plan/plan.ts'
import type { FlowGraph, GraphNode } from './flow-graph.ts'
import { type Group, groupTree } from './groups.ts'
import { dotString } from './markup.ts'

const fills: Readonly<Record<PlannedNode['decision'], string>> = {
  run: '#fde68a',
  reuse: '#bbf7d0',
  unknown: '#bae6fd',
  skip: '#e5e7eb',
}

export function dotText(graph: FlowGraph): string {
  const lines = [
    `digraph ${dotString(graph.name)} {`,
    '  rankdir=TB',
    '  node [shape=box, style="rounded,filled", fillcolor=white, fontname="Helvetica", fontsize=11]',
    '  edge [color="#6b7280", arrowsize=0.7]',
    ...membersOf(groupTree(graph.nodes), '  '),
  ]
  for (const { from, to, ports } of graph.edges) {
    lines.push(`  ${dotString(from)} -> ${dotString(to)} [tooltip=${dotString(ports.join(', '))}]`)
  }
  return `${lines.join('\n')}\n}\n`
}

function membersOf({ nodes, groups }: Group, indent: string): string[] {
  const inner = groups.flatMap((group) => [
    // Graphviz draws as one thing what is called so.
    `${indent}subgraph ${dotString(`cluster ${group.path}`)} {`,
    `${indent}  label=${dotString(group.path)}; style="rounded"; color="#9ca3af"; fontname="Helvetica"; fontsize=10`,
    ...membersOf(group, `${indent}  `),
    `${indent}}`,
  ])
  return [...nodes.map((node) => `${indent}${nodeLine(node)}`), ...inner]
}

function nodeLine({ id, label, stage, planned }: GraphNode): string {
  const text = stage === label ? label : `${label}\n${stage}`
  const fate =
    planned === undefined
      ? ''
      : `, fillcolor=${dotString(fills[planned.decision])}, tooltip=${dotString(`${planned.decision}: ${planned.reason}`)}`
  return `${dotString(id)} [label=${dotString(text)}${fate}]`
}
