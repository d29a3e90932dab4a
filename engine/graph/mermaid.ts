/** @file A graph in Mermaid, which GitHub and many editors draw. */
import type { FlowGraph, GraphNode } from './flow-graph.ts'
import { type Group, groupTree } from './groups.ts'
import { mermaidString } from './markup.ts'

/** Fill and line, readable on light and dark pages alike since the text's colour is set, too. */
const styles = {
  run: 'fill:#fde68a,stroke:#b45309,color:#1f2937',
  reuse: 'fill:#bbf7d0,stroke:#15803d,color:#1f2937',
  unknown: 'fill:#bae6fd,stroke:#0369a1,color:#1f2937',
  skip: 'fill:#e5e7eb,stroke:#9ca3af,color:#6b7280',
} as const

export function mermaidText(graph: FlowGraph): string {
  // Ids of Mermaid are words; those of nodes may be anything.
  const names = new Map(graph.nodes.map(({ id }, index) => [id, `n${index}`]))
  let groups = 0
  const lines = ['flowchart TB', ...membersOf(groupTree(graph.nodes), '  ')]
  for (const { from, to } of graph.edges) lines.push(`  ${names.get(from)} --> ${names.get(to)}`)
  for (const [decision, style] of Object.entries(styles)) {
    const members = graph.nodes.filter(({ planned }) => planned?.decision === decision)
    if (members.length === 0) continue
    lines.push(`  classDef ${decision} ${style}`)
    lines.push(`  class ${members.map(({ id }) => names.get(id)).join(',')} ${decision}`)
  }
  return `${lines.join('\n')}\n`

  function membersOf(group: Group, indent: string): string[] {
    return [
      ...group.nodes.map((node) => `${indent}${names.get(node.id)}[${labelOf(node)}]`),
      ...group.groups.flatMap((inner) => [
        `${indent}subgraph g${groups++} [${mermaidString(inner.path)}]`,
        ...membersOf(inner, `${indent}  `),
        `${indent}end`,
      ]),
    ]
  }
}

function labelOf({ label, stage }: GraphNode): string {
  const name = mermaidString(label)
  return stage === label
    ? name
    : `${name.slice(0, -1)}<br/><small>${mermaidString(stage).slice(1, -1)}</small>"`
}
