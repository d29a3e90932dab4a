/** @file From a file name on the command line to a validated workflow, or all that is wrong with it. */
import { closeSync, openSync, readdirSync, readSync, statSync } from 'node:fs'
import { dirname, resolve, sep } from 'node:path'
import { Confinement } from '../confinement.ts'
import { type Diagnostic, hasErrors } from '../diagnostic.ts'
import { pathWithin } from '../path-within.ts'
import { recallWorkflow, rememberWorkflow, type WorkflowOrigin } from '../plan/workflow-cache.ts'
import type { Catalog } from '../stage/catalog.ts'
import { StageFailure } from '../stage/failure.ts'
import { loadCatalog } from '../stage/load-catalog.ts'
import type { LoadedWorkflow } from '../workflow/load.ts'
import { MAX_SOURCE_BYTES } from '../workflow/source-size.ts'
import { besides, stagePathsIn, workflowPathsIn } from '../workflow/stage-paths.ts'
import { suggestionHint } from '../workflow/suggest.ts'
import type { Workflow } from '../workflow/workflow.ts'
import type { Invocation } from './command.ts'
import { reportDiagnostics } from './report-diagnostics.ts'
import { allowedFolders, assignments } from './workflow-options.ts'

export interface OpenWorkflow {
  readonly workflow: Workflow
  readonly catalog: Catalog
  readonly sourceOf: (file: string) => string | undefined
}

/** What was read of a workflow, be it valid or not. */
export interface ReadWorkflow {
  /** Absent where there are errors. */
  readonly opened?: OpenWorkflow
  readonly diagnostics: readonly Diagnostic[]
  readonly sourceOf: (file: string) => string | undefined
  /** The command line is wrong, or there is no such file: nothing was read. */
  readonly unusable?: true
  /** Files of the workflow itself, as seen from the project, and whatever was looked for in vain. */
  readonly files: readonly string[]
}

/** Absent: the faults have been shown, and the exit code is 2. */
export async function openWorkflow(
  invocation: Invocation,
  name: string | undefined,
): Promise<OpenWorkflow | undefined> {
  const json = invocation.options.has('json')
  const { opened, diagnostics, sourceOf } = await readWorkflow(invocation, name)
  if (opened === undefined || (diagnostics.length > 0 && !json))
    reportDiagnostics(diagnostics, { json, sourceOf })
  return opened
}

/** As `openWorkflow`, and shows nothing. */
export async function readWorkflow(invocation: Invocation, name: string | undefined): Promise<ReadWorkflow> {
  const { project, options } = invocation
  const file = name === undefined ? undefined : projectPath(project, name)
  const params = assignments(options, 'param')
  const set = assignments(options, 'set')
  const usage = [...params.diagnostics, ...set.diagnostics]
  if (file === undefined) usage.push(noFile(project))
  const source = file === undefined ? undefined : readSource(project, file)
  if (source !== undefined && 'fault' in source) usage.push(source.fault)
  if (file === undefined || source === undefined || 'fault' in source || usage.length > 0) {
    const files = file === undefined ? [] : [file]
    return { diagnostics: usage, sourceOf: () => undefined, unusable: true, files }
  }
  const others = new OtherSources(project, allowedFolders(options))
  const sourceOf = (path: string) => (path === file ? source.text : others.read(path))
  const stagePaths = stagePathsOf(file, source.text, others)
  const { catalog, diagnostics: catalogFaults } = await loadCatalog(project, stagePaths, {
    safe: options.has('safe'),
  })
  const origin = { project, file, source: source.text, catalog, params: params.values, set: set.values }
  const missing = new Set<string>()
  const fileExists = (path: string) => {
    const exists = statSync(resolve(project, path), { throwIfNoEntry: false }) !== undefined
    if (!exists) missing.add(path)
    return exists
  }
  const { workflow, diagnostics } = await readOrRecall(origin, others, fileExists, catalogFaults.length === 0)
  const read = {
    diagnostics: [...catalogFaults, ...diagnostics],
    sourceOf,
    files: [file, ...others.texts.keys(), ...missing],
  }
  if (workflow === undefined || hasErrors(read.diagnostics)) return read
  return { ...read, opened: { workflow, catalog, sourceOf } }
}

/** No more of it than shows that it is too large: a file may be endless. */
function readBounded(path: string): string {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.allocUnsafe(MAX_SOURCE_BYTES + 1)
    let length = 0
    for (let read = -1; read !== 0 && length < bytes.length; length += read) {
      read = readSync(file, bytes, length, bytes.length - length, null)
    }
    return bytes.toString('utf8', 0, length)
  } finally {
    closeSync(file)
  }
}

/** Files beside the workflow's own, each read once, so that all is of one moment. */
class OtherSources {
  readonly texts = new Map<string, string | undefined>()
  readonly #project: string
  readonly #confinement: Confinement

  constructor(project: string, allowed: readonly string[]) {
    this.#project = project
    this.#confinement = new Confinement(project, allowed)
  }

  readonly read = (path: string): string | undefined => {
    if (!this.texts.has(path)) this.texts.set(path, this.#readNow(path))
    return this.texts.get(path)
  }

  /** What lies in the same folder of the project. */
  readonly namesBeside = (path: string): string[] => {
    const folder = dirname(resolve(this.#project, path))
    if (folder !== this.#project && pathWithin(this.#project, folder) === undefined) return []
    try {
      return readdirSync(folder).sort()
    } catch {
      return []
    }
  }

  /** Throws a `StageFailure` (`outside-project`) for what leads out of the project. */
  confine(path: string): void {
    if (this.#confinement.holds(path)) return
    throw new StageFailure({
      code: 'outside-project',
      message: `${path}, which the workflow uses, lies outside of the project`,
      hint: 'if it may be used: --allow FOLDER, the folder to which it leads (or FLOW_ALLOW)',
    })
  }

  #readNow(path: string): string | undefined {
    this.confine(path)
    try {
      return readBounded(resolve(this.#project, path))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EISDIR') return undefined
      throw error
    }
  }
}

/** Of the file and of all workflows that it may use. */
function stagePathsOf(file: string, source: string, others: OtherSources): string[] {
  const paths = new Set<string>()
  const seen = new Set([file])
  const pending = [{ file, source }]
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    for (const path of stagePathsIn(next.source)) {
      others.confine(path)
      paths.add(path)
    }
    for (const path of workflowPathsIn(next.source)) {
      const used = besides(next.file, path)
      const text = seen.has(used) || used.startsWith('../') ? undefined : others.read(used)
      seen.add(used)
      if (text !== undefined) pending.push({ file: used, source: text })
    }
  }
  return [...paths]
}

async function readOrRecall(
  origin: WorkflowOrigin,
  others: OtherSources,
  fileExists: (path: string) => boolean,
  mayRemember: boolean,
): Promise<LoadedWorkflow> {
  const known = mayRemember ? recallWorkflow(origin, fileExists, others.read) : undefined
  if (known !== undefined) return { workflow: known, diagnostics: [] }
  const { loadWorkflow } = await import('../workflow/load.ts')
  const loaded = loadWorkflow({
    ...origin,
    fileExists,
    readFile: others.read,
    namesBeside: others.namesBeside,
  })
  if (mayRemember && loaded.workflow !== undefined && loaded.diagnostics.length === 0) {
    rememberWorkflow(origin, loaded.workflow, others.texts)
  }
  return loaded
}

/** As seen from the project, however it was written: runs of one file belong together. */
function projectPath(project: string, file: string): string {
  return pathWithin(project, resolve(project, file))?.split(sep).join('/') ?? file
}

function readSource(
  project: string,
  file: string,
): { readonly text: string } | { readonly fault: Diagnostic } {
  try {
    return { text: readBounded(resolve(project, file)) }
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT'
    const hint = suggestionHint(file, workflowFiles(project), 'workflows here')
    return {
      fault: {
        code: 'unreadable-workflow',
        severity: 'error',
        message: missing ? `there is no file ${file}` : `${file} cannot be read: ${(error as Error).message}`,
        ...(hint === undefined ? {} : { hint }),
      },
    }
  }
}

function noFile(project: string): Diagnostic {
  const files = workflowFiles(project)
  return {
    code: 'no-workflow',
    severity: 'error',
    message: 'which workflow? name its file',
    ...(files.length === 0 ? {} : { hint: `workflows here: ${files.join(', ')}` }),
  }
}

function workflowFiles(project: string): string[] {
  try {
    return readdirSync(resolve(project, 'workflows'))
      .filter((name) => /\.ya?ml$/.test(name))
      .sort()
      .map((name) => `workflows/${name}`)
  } catch {
    return []
  }
}
