/** @file A workflow file's text into a validated `Workflow`, or into every fault that it has. */
import { basename, extname } from 'node:path'
import type { Diagnostic, SourceRange } from '../diagnostic.ts'
import type { Json, NodeId } from '../identity.ts'
import type { Catalog } from '../stage/catalog.ts'
import { applySet } from './apply-set.ts'
import type { BoundPort } from './bind-inputs.ts'
import { declaredInputs, ownInputValues } from './declared-inputs.ts'
import { ExpandedFile, type NodeDraft } from './expand.ts'
import { Faults } from './faults.ts'
import { checkPaths, type PathClaim } from './paths.ts'
import { isPath } from './remote-name.ts'
import type { GivenParam } from './resolve-params.ts'
import type { BoundSource } from './scope.ts'
import { SourceFiles } from './source-files.ts'
import { suggestPath } from './suggest.ts'
import { paramsOf } from './used-workflow.ts'
import type { InputBinding, InputSource, Workflow, WorkflowNode } from './workflow.ts'
import { textAt } from './yaml-value.ts'

export interface LoadOptions {
  /** As the user wrote it; shown in diagnostics. */
  readonly file: string
  readonly source: string
  readonly catalog: Catalog
  /** Raw text of each `--param NAME=TEXT`. */
  readonly params?: Readonly<Record<string, string>>
  /** Raw text of each `--set PATH=TEXT`. */
  readonly set?: Readonly<Record<string, string>>
  /** Whether an input path (project-relative or absolute) exists; not checked where absent. */
  readonly fileExists?: (path: string) => boolean
  /** What lies in the folder of a path (project-relative or absolute): it may be meant. @default nothing is known */
  readonly namesBeside?: (path: string) => readonly string[]
  /** Text of another file of the workflow, by its path from the project. @default there are none */
  readonly readFile?: (path: string) => string | undefined
}

export interface LoadedWorkflow {
  /** Present when no diagnostic is an error. */
  readonly workflow?: Workflow
  readonly diagnostics: Diagnostic[]
}

export function loadWorkflow(options: LoadOptions): LoadedWorkflow {
  const { file, catalog, readFile = () => undefined, namesBeside = () => [] } = options
  const faults = new Faults()
  const files = new SourceFiles({ read: readFile, namesBeside }, faults)
  const source = files.main(file, options.source, (root) => applySet(root, options.set ?? {}, faults))
  if (source === undefined) return { diagnostics: faults.sorted() }
  const expansion = { catalog, faults, files, drafts: new Map<string, NodeDraft>(), slots: {} }
  const params = paramsOf(source, givenParams(options.params ?? {}), expansion)
  const declared = declaredInputs(source, expansion)
  const inputs = declared && ownInputValues(declared, faults)
  const place = { group: [], params, inputs, policy: {}, files: [file] }
  new ExpandedFile(source, place, expansion).expand()
  checkFiles([...expansion.drafts.values()], options, faults)
  if (faults.count > 0) return { diagnostics: faults.sorted(files.broken) }

  const nodes = new Map<NodeId, WorkflowNode>()
  for (const draft of expansion.drafts.values()) {
    const node = finishNode(draft, options)
    nodes.set(node.id, node)
  }
  const resolved: Record<string, Json> = {}
  for (const [name, param] of params) if (param.known) resolved[name] = param.value
  const name = textAt(source.root, 'name') ?? basename(file, extname(file))
  const description = textAt(source.root, 'description') ?? ''
  return {
    workflow: {
      name,
      description,
      file,
      source: options.source,
      params: resolved,
      slots: expansion.slots,
      nodes,
    },
    diagnostics: [],
  }
}

function givenParams(params: Readonly<Record<string, string>>): Map<string, GivenParam> {
  return new Map(
    Object.entries(params).map(([name, text]) => [
      name,
      { kind: 'text', text, spot: { file: `--param ${name}=${text}` } },
    ]),
  )
}

function checkFiles(
  drafts: readonly NodeDraft[],
  { catalog, fileExists, namesBeside = () => [] }: LoadOptions,
  faults: Faults,
): void {
  const outputs = drafts.flatMap((draft) => draft.outputs)
  const files: (PathClaim & BoundSource & { kind: 'file' })[] = []
  for (const { id, inputs, skipped } of drafts) {
    if (skipped !== undefined) continue
    for (const { port, sources } of inputs) {
      for (const { source } of sources) if (source.kind === 'file') files.push({ node: id, port, ...source })
    }
  }
  checkPaths(outputs, files, faults)
  if (fileExists === undefined) return
  const written = new Set(outputs.map((output) => output.path))
  const exists = new Map<string, boolean>()
  for (const { path, remote, spot, origin } of files) {
    if (!exists.has(path)) exists.set(path, written.has(path) || fileExists(path))
    if (remote !== undefined && !isPath(remote.text, fileExists)) continue
    // At the param's own value, where there is one: every use of it then reports the same fault, which is shown once.
    if (exists.get(path) === false) {
      const scheme = remote === undefined ? undefined : catalog.artifacts.get(remote.type)?.remote?.scheme
      const near = suggestPath(path, namesBeside)
      const elsewhere = scheme && `if it is no path of this project: \`${scheme}${path}\``
      const hint = near === undefined ? elsewhere : `did you mean \`${near}\`?`
      faults.add(origin ?? spot, 'missing-file', `\`${path}\` does not exist`, hint)
    }
  }
}

function finishNode(draft: NodeDraft, options: LoadOptions): WorkflowNode {
  const range = draft.keySpot.range ?? { start: 0, end: 0 }
  const dependsOn = new Set<NodeId>()
  for (const { sources } of draft.inputs) {
    for (const { source } of sources) if (source.kind === 'node') dependsOn.add(source.node as NodeId)
  }
  return {
    id: draft.id as NodeId,
    stage: draft.stage!,
    inputs: Object.fromEntries(
      draft.inputs
        .filter(({ sources }) => sources.length > 0)
        .map((bound) => [bound.port, toBinding(bound, range, options)]),
    ),
    params: draft.params,
    outputs: Object.fromEntries(draft.outputs.map(({ port, path }) => [port, path])),
    // What does not run waits for nothing.
    dependsOn: draft.skipped === undefined ? [...dependsOn] : [],
    policy: draft.policy,
    ...(draft.skipped !== undefined && { skipped: { reason: draft.skipped } }),
    group: draft.group,
    file: draft.file,
    range,
  }
}

/** `range` stands in for values from the command line, which have no place in the file. */
function toBinding({ many, sources }: BoundPort, range: SourceRange, options: LoadOptions): InputBinding {
  const labelled = sources.map(({ label, source }) => ({
    label,
    source: toInputSource(source, range, options),
  }))
  return many ? { many, sources: labelled } : { many, source: labelled[0]!.source }
}

function toInputSource(source: BoundSource, range: SourceRange, { fileExists }: LoadOptions): InputSource {
  const at = source.spot.range ?? range
  if (source.kind === 'node')
    return { kind: 'node', node: source.node as NodeId, port: source.port, range: at }
  const remote = source.kind === 'remote' ? source : source.remote
  if (source.kind === 'file' && (remote === undefined || !fileExists || isPath(remote.text, fileExists))) {
    const isGiven = (source.origin ?? source.spot).range === undefined
    return { kind: 'file', path: source.path, ...(isGiven && { given: true }), range: at }
  }
  const { type, name, text } = remote!
  return { kind: 'remote', type, name, text, range: at }
}
