/**
 * @file Remembers a workflow that was found valid, so that the YAML reader and the schema validator need not even be
 * loaded while neither its files nor what they were checked against have changed. One entry a workflow file.
 */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { NodeId } from '../identity.ts'
import { cacheFolder, replaceFile } from '../stage/cache-folder.ts'
import type { Catalog } from '../stage/catalog.ts'
import { isPath } from '../workflow/remote-name.ts'
import type { Workflow, WorkflowNode } from '../workflow/workflow.ts'
import { inputSources, takesOwnValues } from './inputs.ts'

/** All that a valid workflow depends on, but for its input files being there. */
export interface WorkflowOrigin {
  /** Absolute. */
  readonly project: string
  readonly file: string
  readonly source: string
  readonly catalog: Catalog
  readonly params: Readonly<Record<string, string>>
  readonly set: Readonly<Record<string, string>>
}

/** Texts of the other files that a workflow is made of, by path; undefined where there is none. */
export type OtherFiles = ReadonlyMap<string, string | undefined>

interface Entry {
  readonly key: string
  /** Path -> digest of the text, of each other file. */
  readonly files: readonly (readonly [string, string | null])[]
  readonly workflow: Omit<Workflow, 'nodes' | 'source'> & {
    readonly nodes: readonly (Omit<WorkflowNode, 'stage'> & { readonly stage: string })[]
  }
}

export function recallWorkflow(
  origin: WorkflowOrigin,
  fileExists: (path: string) => boolean,
  readFile: (path: string) => string | undefined,
): Workflow | undefined {
  const entry = readEntry(placeOf(origin))
  if (entry?.key !== keyOf(origin)) return undefined
  if (!entry.files.every(([path, digest]) => digestOf(readFile(path)) === digest)) return undefined
  const nodes = new Map<NodeId, WorkflowNode>()
  for (const node of entry.workflow.nodes) {
    const stage = origin.catalog.stages.get(node.stage)
    if (stage === undefined) return undefined
    // In place: there may be thousands.
    nodes.set(node.id, Object.assign(node, { stage }))
  }
  const workflow = { ...entry.workflow, source: origin.source, nodes }
  const files = [...nodes.values()].filter(takesOwnValues).flatMap(inputSources)
  const allExist = files.every(({ source }) => {
    if (source.kind === 'file') return fileExists(source.path)
    // What has become a path since then is read as one.
    return source.kind === 'node' || !isPath(source.text, fileExists)
  })
  return allExist ? workflow : undefined
}

export function rememberWorkflow(
  origin: WorkflowOrigin,
  { source: _, nodes, ...workflow }: Workflow,
  others: OtherFiles,
): void {
  const entry: Entry = {
    key: keyOf(origin),
    files: [...others].map(([path, text]) => [path, digestOf(text)]),
    workflow: {
      ...workflow,
      nodes: [...nodes.values()].map((node) => ({ ...node, stage: node.stage.name })),
    },
  }
  replaceFile(placeOf(origin), JSON.stringify(entry))
}

/** Named by the digest of its content: code that changed may judge otherwise. */
const engineBuild = basename(import.meta.dirname)

function keyOf({ file, source, catalog, params, set }: WorkflowOrigin): string {
  const parts = [engineBuild, file, source, catalog.digest, params, set]
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex')
}

function digestOf(text: string | undefined): string | null {
  return text === undefined ? null : createHash('sha256').update(text).digest('hex')
}

function placeOf({ project, file }: WorkflowOrigin): string {
  const name = createHash('sha256').update(`${project}\n${file}`).digest('hex').slice(0, 32)
  return join(cacheFolder(), 'workflows', `${name}.json`)
}

function readEntry(place: string): Entry | undefined {
  try {
    return JSON.parse(readFileSync(place, 'utf8')) as Entry
  } catch {
    return undefined
  }
}
