/** @file Which nodes of its file a declaration refers to. */
import { parseExpression, referencesIn } from './expression.ts'
import type { Edge } from './graph.ts'
import type { YamlEntry, YamlValue } from './yaml-value.ts'

/** Where references to nodes decide on what a node is or takes. */
const FIELDS: readonly string[] = ['in', 'when', 'foreach', 'matrix', 'repeat']

/** Whichever side of an expression is taken: there are to be no cycles on any of them. */
export function writtenEdges(
  self: string,
  { value }: YamlEntry,
  declared: ReadonlyMap<string, unknown>,
): Edge[] {
  if (value.kind !== 'map') return []
  const edges: Edge[] = []
  const visit = (part: YamlValue | undefined): void => {
    if (part?.kind === 'list') for (const item of part.items) visit(item)
    else if (part?.kind === 'map') for (const entry of part.entries.values()) visit(entry.value)
    for (const template of part?.kind === 'scalar' ? part.templates : []) {
      const expression = parseExpression(template)
      if (expression.kind === 'malformed') continue
      for (const { segments } of referencesIn(expression)) {
        const [root, node] = segments
        if (root?.name !== 'nodes' || node === undefined || node.name === self) continue
        if (declared.has(node.name)) edges.push({ to: node.name, spot: template.spot })
      }
    }
  }
  for (const field of FIELDS) visit(value.entries.get(field)?.value)
  return edges
}
