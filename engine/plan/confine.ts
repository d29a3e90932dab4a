/**
 * @file The files of a workflow lie in the project, links followed, or where whoever runs it allows it by name: a
 * workflow that somebody else wrote reads and writes nothing else. What the command line names is allowed by that.
 */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Confinement } from '../confinement.ts'
import type { Diagnostic, SourceRange } from '../diagnostic.ts'
import type { NodeId } from '../identity.ts'
import type { Workflow, WorkflowNode } from '../workflow/workflow.ts'
import { inputSources, takesOwnValues } from './inputs.ts'

export function pathsLeadingOut(
  project: string,
  workflow: Workflow,
  nodes: ReadonlySet<NodeId>,
  confinement: Confinement,
): Diagnostic[] {
  const diagnostics: Diagnostic[] = []
  const seen = new Set<string>()
  for (const node of workflow.nodes.values()) {
    if (!nodes.has(node.id) || node.skipped !== undefined) continue
    for (const { source } of takesOwnValues(node) ? inputSources(node) : []) {
      if (source.kind !== 'file' || source.given || seen.has(source.path)) continue
      seen.add(source.path)
      const fault = inputFault(project, source.path, confinement)
      if (fault !== undefined) diagnostics.push(diagnosticAt(node, source.range, fault))
    }
    for (const [port, path] of Object.entries(node.outputs)) {
      if (confinement.holds(path)) continue
      const message = `output \`${port}\` of \`${node.id}\`: a link on the way to \`${path}\` leads out of the project`
      diagnostics.push(diagnosticAt(node, node.range, { message, path }))
    }
  }
  return diagnostics
}

interface Fault {
  readonly message: string
  /** To allow. */
  readonly path: string
}

function inputFault(project: string, path: string, confinement: Confinement): Fault | undefined {
  if (!confinement.holds(path)) return { message: `\`${path}\` lies outside of the project`, path }
  if (statSync(resolve(project, path), { throwIfNoEntry: false })?.isDirectory() !== true) return undefined
  const link = confinement.linkLeadingOut(path)
  if (link === undefined) return undefined
  return { message: `\`${path}/${link}\` is a link that leads out of the project`, path: `${path}/${link}` }
}

function diagnosticAt(node: WorkflowNode, range: SourceRange, { message, path }: Fault): Diagnostic {
  return {
    code: 'outside-project',
    severity: 'error',
    message,
    hint: `if it may be used: \`--allow FOLDER\`, the folder to which \`${path}\` leads (or FLOW_ALLOW)`,
    file: node.file,
    range,
  }
}
