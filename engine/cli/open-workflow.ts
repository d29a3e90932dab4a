/** @file From a file name on the command line to a validated workflow, or all that is wrong with it. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { resolve, sep } from 'node:path'
import { type Diagnostic, hasErrors } from '../diagnostic.ts'
import { pathWithin } from '../path-within.ts'
import { recallWorkflow, rememberWorkflow, type WorkflowOrigin } from '../plan/workflow-cache.ts'
import type { Catalog } from '../stage/catalog.ts'
import { loadCatalog } from '../stage/load-catalog.ts'
import type { LoadedWorkflow } from '../workflow/load.ts'
import { stagePathsIn } from '../workflow/stage-paths.ts'
import { suggestionHint } from '../workflow/suggest.ts'
import type { Workflow } from '../workflow/workflow.ts'
import type { Invocation } from './command.ts'
import { reportDiagnostics } from './report-diagnostics.ts'
import { assignments } from './workflow-options.ts'

export interface OpenWorkflow {
  readonly workflow: Workflow
  readonly catalog: Catalog
  readonly sourceOf: (file: string) => string | undefined
}

/** Absent: the faults have been shown, and the exit code is 2. */
export async function openWorkflow(
  invocation: Invocation,
  name: string | undefined,
): Promise<OpenWorkflow | undefined> {
  const { project, options } = invocation
  const file = name === undefined ? undefined : projectPath(project, name)
  const params = assignments(options, 'param')
  const set = assignments(options, 'set')
  const json = options.has('json')
  const usage = [...params.diagnostics, ...set.diagnostics]
  if (file === undefined) usage.push(noFile(project))
  const source = file === undefined ? undefined : readWorkflow(project, file)
  if (source !== undefined && 'fault' in source) usage.push(source.fault)
  if (file === undefined || source === undefined || 'fault' in source || usage.length > 0) {
    reportDiagnostics(usage, { json })
    return undefined
  }
  const sourceOf = (path: string) => (path === file ? source.text : undefined)
  const { catalog, diagnostics: catalogFaults } = await loadCatalog(project, stagePathsIn(source.text))
  const origin = { project, file, source: source.text, catalog, params: params.values, set: set.values }
  const { workflow, diagnostics } = await readOrRecall(origin, catalogFaults.length === 0)
  const all = [...catalogFaults, ...diagnostics]
  if (workflow === undefined || hasErrors(all)) {
    reportDiagnostics(all, { json, sourceOf })
    return undefined
  }
  if (all.length > 0 && !json) reportDiagnostics(all, { json, sourceOf })
  return { workflow, catalog, sourceOf }
}

async function readOrRecall(origin: WorkflowOrigin, mayRemember: boolean): Promise<LoadedWorkflow> {
  const fileExists = (path: string) =>
    statSync(resolve(origin.project, path), { throwIfNoEntry: false }) !== undefined
  const known = mayRemember ? recallWorkflow(origin, fileExists) : undefined
  if (known !== undefined) return { workflow: known, diagnostics: [] }
  const { loadWorkflow } = await import('../workflow/load.ts')
  const loaded = loadWorkflow({ ...origin, fileExists })
  if (mayRemember && loaded.workflow !== undefined && loaded.diagnostics.length === 0) {
    rememberWorkflow(origin, loaded.workflow)
  }
  return loaded
}

/** As seen from the project, however it was written: runs of one file belong together. */
function projectPath(project: string, file: string): string {
  return pathWithin(project, resolve(project, file))?.split(sep).join('/') ?? file
}

function readWorkflow(
  project: string,
  file: string,
): { readonly text: string } | { readonly fault: Diagnostic } {
  try {
    return { text: readFileSync(resolve(project, file), 'utf8') }
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
