/** @file The files on which a workflow depends, beside those that it is written in: its data, and the code of its stages. */
import { realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { flowRoot } from '../flow-root.ts'
import { inputSources } from '../plan/inputs.ts'
import type { StageManifest } from '../stage/catalog.ts'
import type { Workflow } from '../workflow/workflow.ts'

/** Absolute paths of files and folders. */
export function dependencies(project: string, workflow: Workflow): string[] {
  const root = realpathSync(project)
  const files = new Set<string>()
  for (const node of workflow.nodes.values()) {
    for (const { source } of inputSources(node))
      if (source.kind === 'file') files.add(resolve(root, source.path))
    for (const file of codeOf(node.stage, root)) files.add(file)
  }
  return [...files]
}

/** Names in a closure are relative to what the stage belongs to; those of Flow's files say so. */
function codeOf({ origin, module }: StageManifest, project: string): string[] {
  const base = origin === 'flow' ? flowRoot : project
  const flows = 'flow:'
  return Object.keys(module.sources).map((name) =>
    name.startsWith(flows) ? resolve(flowRoot, name.slice(flows.length)) : resolve(base, name),
  )
}
