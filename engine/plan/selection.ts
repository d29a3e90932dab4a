/** @file Which nodes a run is about: `--only`, `--from`, `--until`. Pure over the graph. */
import type { Diagnostic } from '../diagnostic.ts'
import type { NodeId } from '../identity.ts'
import { suggestionHint } from '../workflow/suggest.ts'
import type { Workflow, WorkflowNode } from '../workflow/workflow.ts'

/** As asked for on the command line; names not yet checked. No field: all nodes. */
export interface Selection {
  /** Just this node. */
  readonly only?: string
  /** This node and all that depend on it. */
  readonly from?: string
  /** This node and all that it depends on. With `from`: the nodes on the way from one to the other. */
  readonly until?: string
}

export interface SelectedNodes {
  readonly selected: ReadonlySet<NodeId>
  /** Not selected, but selected nodes read (transitively) what they write: must be reusable as they are. */
  readonly upstream: ReadonlySet<NodeId>
}

export function selectNodes(
  workflow: Workflow,
  selection: Selection,
): { readonly nodes?: SelectedNodes; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = []
  const find = (option: string, name: string | undefined): ReadonlySet<NodeId> | undefined => {
    if (name === undefined) return undefined
    const fault = unknownNode(workflow, option, name)
    if (fault === undefined) return nodesNamed(workflow, name)
    diagnostics.push(fault)
    return undefined
  }
  const only = find('only', selection.only)
  const from = find('from', selection.from)
  const until = find('until', selection.until)
  if (selection.only !== undefined && (selection.from !== undefined || selection.until !== undefined)) {
    diagnostics.push({
      code: 'option-conflict',
      severity: 'error',
      message: '--only cannot be combined with --from or --until',
    })
  }
  if (diagnostics.length > 0) return { diagnostics }

  const reachable = from === undefined ? undefined : withDependants(workflow, from)
  const needed = until === undefined ? undefined : withDependencies(workflow, until)
  const selected = new Set(
    [...workflow.nodes.keys()].filter(
      (id) => (only?.has(id) ?? true) && (reachable?.has(id) ?? true) && (needed?.has(id) ?? true),
    ),
  )
  if (selected.size === 0) {
    return {
      diagnostics: [
        {
          code: 'empty-selection',
          severity: 'error',
          message: `no node lies between \`${selection.from}\` and \`${selection.until}\``,
        },
      ],
    }
  }
  const isAll = selected.size === workflow.nodes.size
  const upstream = isAll ? new Set<NodeId>() : withDependencies(workflow, selected)
  for (const id of selected) upstream.delete(id)
  return { nodes: { selected, upstream }, diagnostics }
}

/** The fault of naming a node that the workflow does not have. */
export function unknownNode(workflow: Workflow, option: string, name: string): Diagnostic | undefined {
  if (nodesNamed(workflow, name).size > 0) return undefined
  const hint = suggestionHint(name, [...workflow.nodes.keys()], 'its nodes')
  return {
    code: 'unknown-node',
    severity: 'error',
    message: `--${option}: the workflow has no node \`${name}\``,
    ...(hint === undefined ? {} : { hint }),
  }
}

/** Of `rounds/2/dpo`: whether the name is its own, or `rounds/2` or `rounds`, which it was expanded from. */
export function isNamed(node: WorkflowNode, name: string): boolean {
  return node.id === name || node.group.some((_, depth) => node.group.slice(0, depth + 1).join('/') === name)
}

function nodesNamed(workflow: Workflow, name: string): ReadonlySet<NodeId> {
  if (workflow.nodes.has(name as NodeId)) return new Set([name as NodeId])
  return new Set([...workflow.nodes.values()].filter((node) => isNamed(node, name)).map(({ id }) => id))
}

/** With a stack of its own: a chain may be longer than the call stack is deep. */
function withDependencies(workflow: Workflow, roots: Iterable<NodeId>): Set<NodeId> {
  const found = new Set<NodeId>()
  const pending = [...roots]
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    if (found.has(id)) continue
    found.add(id)
    for (const dependency of workflow.nodes.get(id)?.dependsOn ?? []) pending.push(dependency)
  }
  return found
}

function withDependants(workflow: Workflow, roots: ReadonlySet<NodeId>): Set<NodeId> {
  const found = new Set(roots)
  // Nodes come in topological order: one pass sees each dependant after all that it depends on.
  for (const node of workflow.nodes.values()) {
    if (node.dependsOn.some((dependency) => found.has(dependency))) found.add(node.id)
  }
  return found
}
