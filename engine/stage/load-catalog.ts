/**
 * @file Finds what is installed and describes it as plain data. The descriptions are kept by the digest of the code
 * that they came from, so that an unchanged catalog is read without running any plugin's code.
 */
import fs from 'node:fs'
import path from 'node:path'
import { genericArtifacts } from '../artifacts/generic.ts'
import type { Diagnostic } from '../diagnostic.ts'
import { pathWithin } from '../path-within.ts'
import { cacheFolder, replaceFile } from './cache-folder.ts'
import {
  type ArtifactManifest,
  type Catalog,
  type CompiledModule,
  catalogDigest,
  type StageManifest,
} from './catalog.ts'
import { recallCatalog, rememberCatalog } from './catalog-memory.ts'
import { compileAll, importModule, originsOf } from './compile.ts'
import { captureConsole } from './console-capture.ts'
import {
  artifactsOf,
  type DeclaredArtifact,
  type DeclaredStage,
  type Fault,
  readArtifact,
  readStage,
} from './declaration.ts'
import { discoverPlugins, type PluginFile, type StageFile } from './discover.ts'
import { workerEntry } from './worker-entry.ts'

/** What one plugin file declares. */
interface Declared {
  readonly stage?: DeclaredStage
  readonly artifacts: readonly DeclaredArtifact[]
}

interface Plugin {
  readonly file: PluginFile & Pick<StageFile, 'path'>
  readonly module: CompiledModule
  readonly declared: Declared
}

/** Raised when manifests gain or change fields. */
const manifestVersion = 4

export interface CatalogOptions {
  /** Run no code of the project: its stages are opaque. @default false */
  readonly safe?: boolean
}

/**
 * @param project Absolute path of the project's root.
 * @param paths Folders of further stages, relative to it; each is known by its path.
 * @returns Everything that could be loaded; each plugin that could not is a diagnostic.
 */
export async function loadCatalog(
  project: string,
  paths: readonly string[] = [],
  { safe = false }: CatalogOptions = {},
): Promise<{ catalog: Catalog; diagnostics: Diagnostic[] }> {
  const found = discoverPlugins(project, paths)
  if (!safe) return await loadFiles(project, [...found.artifacts, ...found.stages])
  const isLookedAt = ({ origin }: PluginFile) => origin === 'flow'
  const { catalog, diagnostics } = await loadFiles(
    project,
    [...found.artifacts, ...found.stages].filter(isLookedAt),
  )
  const stages = new Map(catalog.stages)
  for (const file of found.stages) {
    const stage = opaqueStage(file)
    if (!isLookedAt(file) && !stages.has(stage.name)) stages.set(stage.name, stage)
  }
  const { artifacts } = catalog
  return {
    catalog: { artifacts, stages, digest: catalogDigest({ artifacts, stages }), partial: true },
    diagnostics,
  }
}

function opaqueStage({ file, folder, path: name = folder, origin }: StageFile): StageManifest {
  const module = { entry: file, bundle: '', digest: '', sources: {}, packages: [] }
  const ports = { inputs: {}, outputs: {}, params: {} }
  const names = { cosmetic: [], secrets: [], environment: [], keeps: [] }
  const description = 'code of the project, not looked at'
  return { name, description, origin, ...ports, ...names, light: false, gpu: false, module, opaque: true }
}

async function loadFiles(
  project: string,
  files: readonly (PluginFile | StageFile)[],
): Promise<{ catalog: Catalog; diagnostics: Diagnostic[] }> {
  const known = recallCatalog(files)
  if (known !== undefined) return { catalog: withGenericArtifacts(known), diagnostics: [] }
  const diagnostics: Diagnostic[] = []
  const report = (file: PluginFile, fault: Fault) => {
    diagnostics.push({ severity: 'error', ...fault, file: shownPath(project, file.file) })
  }
  // The worker's code is compiled along, so that all code of a run is of one moment.
  const results = await compileAll([...files, workerEntry])
  const plugins: Plugin[] = []
  for (const [index, file] of files.entries()) {
    const { module, diagnostics: faults } = results[index]!
    if (module === undefined) {
      for (const fault of faults)
        diagnostics.push({ ...fault, file: shownPath(project, fault.file ?? file.file) })
      continue
    }
    const declared = await declaredBy(file, module)
    if ('faults' in declared) for (const fault of declared.faults) report(file, fault)
    else plugins.push({ file, module, declared })
  }
  const artifacts = collectArtifacts(plugins, report, project)
  const stages = collectStages(plugins, artifacts, report)
  const catalog = { artifacts, stages, digest: catalogDigest({ artifacts, stages }) }
  if (diagnostics.length === 0) rememberCatalog(files, catalog, originsOf([...files, workerEntry]))
  return { catalog, diagnostics }
}

/** They come first, and are the engine's, whatever was remembered. */
function withGenericArtifacts({ artifacts, ...catalog }: Catalog): Catalog {
  return { ...catalog, artifacts: new Map([...genericManifests(), ...artifacts]) }
}

function genericManifests(): Map<string, ArtifactManifest> {
  return new Map(
    genericArtifacts.map(({ name, kind, description }) => [name, { name, kind, description }] as const),
  )
}

/** What a plugin prints when it is imported must not get among the output of a command. */
const toStandardError = { onLog: (_level: string, line: string) => void process.stderr.write(`${line}\n`) }

type Report = (file: PluginFile, fault: Fault) => void

function collectArtifacts(
  plugins: readonly Plugin[],
  report: Report,
  project: string,
): Map<string, ArtifactManifest> {
  const artifacts = genericManifests()
  const declaredIn = new Map<string, PluginFile>()
  for (const { file, module, declared } of plugins) {
    for (const artifact of declared.artifacts) {
      if (artifacts.has(artifact.name)) {
        const other = declaredIn.get(artifact.name)
        const place = other === undefined ? 'the engine itself' : shownPath(project, other.file)
        report(file, {
          code: 'duplicate-artifact',
          message: `artifact type '${artifact.name}' is also declared by ${place}`,
          hint: 'give one of them another name',
        })
        continue
      }
      artifacts.set(artifact.name, { ...artifact, module })
      declaredIn.set(artifact.name, file)
    }
  }
  for (const [name, file] of declaredIn) {
    const fault = extensionFault(name, artifacts)
    if (fault === undefined) continue
    report(file, fault)
    artifacts.delete(name)
  }
  return artifacts
}

function extensionFault(name: string, artifacts: ReadonlyMap<string, ArtifactManifest>): Fault | undefined {
  const { kind } = artifacts.get(name)!
  const passed = new Set([name])
  for (let type = artifacts.get(name)?.extends; type !== undefined; type = artifacts.get(type)?.extends) {
    const general = artifacts.get(type)
    if (general === undefined) return unknownType(`artifact type '${name}' extends`, type, artifacts)
    const what = `artifact type '${name}' extends '${type}'`
    if (passed.has(type)) return { code: 'invalid-artifact', message: `${what}, which extends it in turn` }
    if (general.kind !== kind && general.kind !== 'either')
      return { code: 'invalid-artifact', message: `${what}, which is a ${general.kind}, not a ${kind}` }
    passed.add(type)
  }
  return undefined
}

function collectStages(
  plugins: readonly Plugin[],
  artifacts: ReadonlyMap<string, ArtifactManifest>,
  report: Report,
): Map<string, StageManifest> {
  const stages = new Map<string, StageManifest>()
  for (const { file, module, declared } of plugins) {
    const { stage } = declared
    if (stage === undefined) continue
    const faults: Fault[] = []
    const name = file.path ?? stage.name
    if (stages.has(name)) {
      const hint = 'rename the folder and the stage: a project cannot replace what comes with Flow'
      faults.push({ code: 'duplicate-stage', message: `Flow has a stage '${stage.name}' of its own`, hint })
    }
    const ports = [
      ...Object.entries(stage.inputs).map(([port, { types }]) => ({ what: `input '${port}'`, types })),
      ...Object.entries(stage.outputs).map(([port, { type }]) => ({
        what: `output '${port}'`,
        types: [type],
      })),
    ]
    for (const { what, types } of ports) {
      for (const type of types)
        if (!artifacts.has(type)) faults.push(unknownType(`${what} has`, type, artifacts))
    }
    if (faults.length === 0) stages.set(name, { ...stage, name, origin: file.origin, module })
    else for (const fault of faults) report(file, fault)
  }
  return stages
}

function unknownType(what: string, type: string, artifacts: ReadonlyMap<string, unknown>): Fault {
  const hint = `known types: ${[...artifacts.keys()].sort().join(', ')}; declare others in stages/artifacts/`
  return { code: 'unknown-artifact', message: `${what} the unknown artifact type '${type}'`, hint }
}

async function declaredBy(
  file: PluginFile & { readonly folder?: string },
  module: CompiledModule,
): Promise<Declared | { readonly faults: readonly Fault[] }> {
  const memory = path.join(cacheFolder(), 'manifests', `${module.digest.slice(0, 32)}.json`)
  const known = readRemembered(memory)
  if (known?.version === manifestVersion) return known.declared
  let exports: Readonly<Record<string, unknown>>
  try {
    exports = await captureConsole(toStandardError, () => importModule(module))
  } catch (error) {
    return { faults: [importFault(error)] }
  }
  const declared = readDeclarations(exports, file.folder)
  if (!('faults' in declared)) replaceFile(memory, JSON.stringify({ version: manifestVersion, declared }))
  return declared
}

function readDeclarations(
  exports: Readonly<Record<string, unknown>>,
  folder: string | undefined,
): Declared | { readonly faults: readonly Fault[] } {
  const read = artifactsOf(exports).map(readArtifact)
  const faults = read.flatMap((artifact) => ('name' in artifact ? [] : artifact))
  const artifacts = read.filter((artifact) => 'name' in artifact)
  if (folder === undefined) return faults.length > 0 ? { faults } : { artifacts }
  const stage = readStage(exports.default, folder)
  if ('name' in stage) return faults.length > 0 ? { faults } : { stage, artifacts }
  return { faults: [...faults, ...stage] }
}

function importFault(error: unknown): Fault {
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  const place = error instanceof Error ? /^\s+at .*$/m.exec(error.stack ?? '')?.[0].trim() : undefined
  const fault = { code: 'plugin-import', message: `the file throws when it is imported: ${message}` }
  return place === undefined ? fault : { ...fault, hint: place }
}

function readRemembered(file: string): { readonly version: number; readonly declared: Declared } | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as { version: number; declared: Declared }
  } catch {
    return undefined
  }
}

/** As a user of the project would write it. */
function shownPath(project: string, file: string): string {
  return pathWithin(fs.realpathSync(project), file) ?? file
}
