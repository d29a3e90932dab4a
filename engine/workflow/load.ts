/** @file A workflow file's text into a validated `Workflow`, or into every fault that it has. */
import { basename, extname } from 'node:path'
import type { Diagnostic, SourceRange } from '../diagnostic.ts'
import type { Json, JsonObject, NodeId } from '../identity.ts'
import type { Catalog, StageManifest } from '../stage/catalog.ts'
import { applySet } from './apply-set.ts'
import { type BoundPort, type BoundSource, bindInputs } from './bind-inputs.ts'
import { checkForm, withoutEmptySections } from './check-form.ts'
import { Faults } from './faults.ts'
import { type Edge, orderNodes } from './graph.ts'
import { inWords } from './in-words.ts'
import { parseYaml } from './parse-yaml.ts'
import { checkPaths, normalizePath, type PathClaim } from './paths.ts'
import { isPath } from './remote-name.ts'
import { resolveParams } from './resolve-params.ts'
import { declaredSlots, type PolicyBase, resolvePolicy } from './resolve-policy.ts'
import { resolveData, resolveOutputPath, type Scope } from './resolve-references.ts'
import { suggestionHint } from './suggest.ts'
import { validateValue } from './validate-value.ts'
import type { InputBinding, InputSource, NodePolicy, Workflow, WorkflowNode } from './workflow.ts'
import {
  mapAt,
  type Spot,
  textAt,
  toJson,
  type YamlEntry,
  type YamlMap,
  type YamlValue,
} from './yaml-value.ts'

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
}

export interface LoadedWorkflow {
  /** Present when no diagnostic is an error. */
  readonly workflow?: Workflow
  readonly diagnostics: Diagnostic[]
}

const RESERVED_NAMES: ReadonlySet<string> = new Set(['params', 'nodes', 'constructor', 'prototype'])
const NODE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

export function loadWorkflow(options: LoadOptions): LoadedWorkflow {
  const { file, source, catalog } = options
  const faults = new Faults()
  const { root: written, syntaxFaults } = parseYaml(source, file, faults)
  if (written?.kind !== 'map') {
    if (faults.count === 0) reportNoMapping(written, file, faults)
    return { diagnostics: faults.sorted() }
  }

  const root = applySet(withoutEmptySections(written), options.set ?? {}, faults)
  const faulty = checkForm(root, faults, { file, range: { start: 0, end: 0 } })
  const params = resolveParams(mapAt(root, 'params'), options.params ?? {}, faulty, faults)
  const entries = [...(mapAt(root, 'nodes')?.entries.values() ?? [])]
  const stages = new Map(entries.map((entry) => [entry.key, findStage(entry, catalog, faults)]))
  const scope: Scope = { params, stages, faults }
  const slots = declaredSlots(root)
  const defaults = resolvePolicy(root.entries.get('defaults'), '`defaults`', { slots, defaults: {} }, scope)
  const policyBase = { slots, defaults }
  const drafts = new Map(entries.map((entry) => [entry.key, draftNode(entry, catalog, policyBase, scope)]))
  const order = orderNodes(new Map([...drafts].map(([name, draft]) => [name, edgesOf(draft)])), faults)
  checkFiles([...drafts.values()], options, faults)

  if (faults.count > 0) {
    const broken = syntaxFaults.flatMap((fault) => entriesAround(written, fault))
    return { diagnostics: faults.sorted(broken) }
  }
  const nodes = new Map<NodeId, WorkflowNode>()
  for (const name of order) {
    const node = finishNode(drafts.get(name)!, options)
    nodes.set(node.id, node)
  }
  const resolved: Record<string, Json> = {}
  for (const [name, param] of params) if (param.known) resolved[name] = param.value
  const name = textAt(root, 'name') ?? basename(file, extname(file))
  return {
    workflow: {
      name,
      description: textAt(root, 'description') ?? '',
      file,
      source,
      params: resolved,
      slots,
      nodes,
    },
    diagnostics: [],
  }
}

function reportNoMapping(written: YamlValue | undefined, file: string, faults: Faults): void {
  const hint = 'a workflow starts with `nodes:`'
  if (written === undefined) {
    faults.add({ file, range: { start: 0, end: 0 } }, 'empty-workflow', 'the workflow file is empty', hint)
  } else
    faults.add(
      written.spot,
      'wrong-type',
      `a workflow file must be a mapping, not ${inWords(toJson(written))}`,
      hint,
    )
}

function findStage(
  { key, keySpot, value }: YamlEntry,
  catalog: Catalog,
  faults: Faults,
): StageManifest | undefined {
  if (!NODE_NAME.test(key)) {
    faults.add(
      keySpot,
      'bad-name',
      `\`${key}\` cannot name a node`,
      'use letters, digits, `_` and `-`, a letter first',
    )
  } else if (RESERVED_NAMES.has(key))
    faults.add(keySpot, 'bad-name', `\`${key}\` is reserved and cannot name a node`)
  const uses = value.kind === 'map' ? value.entries.get('uses')?.value : undefined
  if (uses?.kind !== 'scalar' || typeof uses.value !== 'string' || uses.value === '') return undefined
  const stage = catalog.stages.get(uses.value)
  if (stage === undefined && uses.templates.length === 0) {
    const hint = uses.value.startsWith('./')
      ? 'a stage named by its path is a folder in the project with an `index.ts`'
      : suggestionHint(uses.value, [...catalog.stages.keys()].sort(), 'installed stages')
    faults.add(uses.spot, 'unknown-stage', `there is no stage \`${uses.value}\``, hint)
  }
  return stage
}

/** A node as far as it could be understood. */
interface NodeDraft {
  readonly name: string
  readonly keySpot: Spot
  readonly stage: StageManifest | undefined
  readonly inputs: readonly BoundPort[]
  readonly params: JsonObject
  readonly outputs: readonly PathClaim[]
  readonly policy: NodePolicy
}

function draftNode(entry: YamlEntry, catalog: Catalog, policyBase: PolicyBase, scope: Scope): NodeDraft {
  const { key: name, keySpot, value } = entry
  const stage = scope.stages.get(name)
  const policy = resolvePolicy(entry, `node \`${name}\``, policyBase, scope)
  if (value.kind !== 'map') return { name, keySpot, stage, inputs: [], params: {}, outputs: [], policy }
  const inEntry = value.entries.get('in')
  const isReadable = inEntry === undefined || inEntry.value.kind === 'map'
  const spot = inEntry?.keySpot ?? keySpot
  const inputs = isReadable
    ? bindInputs({ node: name, stage, written: mapAt(value, 'in'), spot }, catalog, scope)
    : []
  const params = resolveStageParams(value.entries.get('with'), stage, keySpot, scope)
  return {
    name,
    keySpot,
    stage,
    inputs,
    params,
    outputs: bindOutputs(name, mapAt(value, 'out'), stage, scope),
    policy,
  }
}

function resolveStageParams(
  entry: YamlEntry | undefined,
  stage: StageManifest | undefined,
  nodeSpot: Spot,
  scope: Scope,
): JsonObject {
  if (entry !== undefined && entry.value.kind !== 'map') return {}
  const written: YamlMap =
    entry?.value.kind === 'map' ? entry.value : { kind: 'map', entries: new Map(), spot: nodeSpot }
  const { data, unknown } = resolveData(written, scope)
  const params = data as JsonObject
  if (stage !== undefined) {
    const spot = entry?.keySpot ?? nodeSpot
    validateValue(
      { written, data: params, schema: stage.params, spot, owner: `stage \`${stage.name}\``, unknown },
      scope.faults,
    )
  }
  return params
}

function bindOutputs(
  node: string,
  written: YamlMap | undefined,
  stage: StageManifest | undefined,
  scope: Scope,
): PathClaim[] {
  const claims: PathClaim[] = []
  for (const { key: port, keySpot, value } of written?.entries.values() ?? []) {
    if (stage !== undefined && !Object.hasOwn(stage.outputs, port)) {
      const hint = suggestionHint(port, Object.keys(stage.outputs), 'its outputs')
      scope.faults.add(keySpot, 'unknown-port', `stage \`${stage.name}\` has no output \`${port}\``, hint)
    }
    const text = value.kind === 'scalar' ? resolveOutputPath(value, scope) : undefined
    if (text === undefined || text === '') continue
    const normal = normalizePath(text, 'output')
    if ('path' in normal) claims.push({ node, port, path: normal.path, spot: value.spot })
    else scope.faults.add(value.spot, 'bad-path', normal.fault, normal.hint)
  }
  return claims
}

function sourcesOf(draft: NodeDraft): { port: string; source: BoundSource }[] {
  return draft.inputs.flatMap(({ port, sources }) => sources.map(({ source }) => ({ port, source })))
}

function edgesOf(draft: NodeDraft): Edge[] {
  return sourcesOf(draft).flatMap(({ source }) =>
    source.kind === 'node' ? [{ to: source.node, spot: source.spot }] : [],
  )
}

function checkFiles(
  drafts: readonly NodeDraft[],
  { catalog, fileExists }: LoadOptions,
  faults: Faults,
): void {
  const outputs = drafts.flatMap((draft) => draft.outputs)
  const files = drafts.flatMap((draft) =>
    sourcesOf(draft).flatMap(({ port, source }) =>
      source.kind === 'file' ? [{ node: draft.name, port, ...source }] : [],
    ),
  )
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
      const hint = scheme && `if it is no path of this project: \`${scheme}${path}\``
      faults.add(origin ?? spot, 'missing-file', `\`${path}\` does not exist`, hint)
    }
  }
}

function finishNode(draft: NodeDraft, options: LoadOptions): WorkflowNode {
  const range = draft.keySpot.range ?? { start: 0, end: 0 }
  const dependsOn = new Set(edgesOf(draft).map((edge) => edge.to as NodeId))
  return {
    id: draft.name as NodeId,
    stage: draft.stage!,
    inputs: Object.fromEntries(
      draft.inputs
        .filter(({ sources }) => sources.length > 0)
        .map((bound) => [bound.port, toBinding(bound, range, options)]),
    ),
    params: draft.params,
    outputs: Object.fromEntries(draft.outputs.map(({ port, path }) => [port, path])),
    dependsOn: [...dependsOn],
    policy: draft.policy,
    group: [],
    file: options.file,
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
    return { kind: 'file', path: source.path, range: at }
  }
  const { type, name, text } = remote!
  return { kind: 'remote', type, name, text, range: at }
}

/** The nodes, or else the top-level fields, in which YAML's syntax broke: what is read from them is guesswork. */
function entriesAround(root: YamlMap, fault: SourceRange): SourceRange[] {
  const around = (map: YamlMap, offset: number): YamlEntry | undefined =>
    [...map.entries.values()].findLast((entry) => (entry.keySpot.range?.start ?? 0) <= offset)
  // What stands before a fault may be cut short by it, what starts at it may not be what it seems.
  return [fault.start - 1, fault.end].map((offset) => {
    const top = around(root, offset)
    const isParent = top?.value.kind === 'map' && (top.key === 'nodes' || top.key === 'params')
    const entry = (isParent && around(top.value as YamlMap, offset)) || top
    return {
      start: entry?.keySpot.range?.start ?? 0,
      end: Math.max(entry?.value.spot.range?.end ?? 0, fault.end) + 1,
    }
  })
}
