/**
 * @file Remembers a whole catalog, so that one small file and a stat for each source tell that nothing of it has changed:
 * with many stages, reading what is known of each one by itself takes longer than all else that an idle run does.
 */
import { createHash } from 'node:crypto'
import fs from 'node:fs'
import path from 'node:path'
import { cacheFolder, replaceFile } from './cache-folder.ts'
import type { ArtifactManifest, Catalog, CompiledModule, StageManifest } from './catalog.ts'
import type { PluginFile } from './discover.ts'
import { statText } from './file-stamp.ts'

/** One that was made this long ago may be of a project that is gone; to make it again is a matter of milliseconds. */
const keptMs = 7 * 24 * 3600 * 1000

/** Raised when manifests or this memory gain or change fields. */
const memoryVersion = 1

/** A module of which each source is named by its place in `sources` of the whole. */
type SharedModule = Omit<CompiledModule, 'sources'> & { readonly sources: readonly number[] }

interface Memory {
  readonly version: number
  /** Each plugin's file as it was found, and what it led to. */
  readonly files: readonly (readonly [file: string, realPath: string])[]
  /** What all modules were compiled from, as in a `FileStamp`. */
  readonly stamps: readonly (readonly [path: string, stats: string])[]
  /** Paths whose coming into being would change what an import finds. */
  readonly absent: readonly string[]
  /** Name and content hash. */
  readonly sources: readonly (readonly [name: string, hash: string])[]
  readonly modules: readonly SharedModule[]
  /** The last number is the place in `modules`. The engine's own types are none of these. */
  readonly artifacts: readonly (readonly [Omit<ArtifactManifest, 'module'>, number])[]
  readonly stages: readonly (readonly [Omit<StageManifest, 'module'>, number])[]
  readonly digest: string
}

/** What a module was compiled from. */
export interface Origins {
  /** Absent stats prove nothing, and such a catalog is not remembered. */
  readonly stamps: readonly { readonly path: string; readonly stats: string | null }[]
  readonly absent: readonly string[]
}

/** The catalog of these files without the engine's own types, where nothing that it was made from has changed. */
export function recallCatalog(files: readonly PluginFile[]): Catalog | undefined {
  const memory = readMemory(placeOf(files))
  if (memory?.version !== memoryVersion) return undefined
  if (!memory.files.every(([file, realPath]) => realPathOf(file) === realPath)) return undefined
  if (!memory.stamps.every(([file, stats]) => statText(file) === stats)) return undefined
  if (memory.absent.some((file) => fs.existsSync(file))) return undefined
  if (!memory.modules.every(({ bundle }) => fs.existsSync(bundle))) return undefined
  const modules = memory.modules.map((module) => moduleOf(module, memory.sources))
  return {
    artifacts: new Map(
      memory.artifacts.map(([artifact, module]) => [
        artifact.name,
        { ...artifact, module: modules[module]! },
      ]),
    ),
    stages: new Map(
      memory.stages.map(([stage, module]) => [stage.name, { ...stage, module: modules[module]! }]),
    ),
    digest: memory.digest,
  }
}

/** Its sources are put together when they are asked for: a run asks for those of the stages that it uses. */
function moduleOf({ sources, ...module }: SharedModule, all: Memory['sources']): CompiledModule {
  let named: CompiledModule['sources'] | undefined
  return {
    ...module,
    get sources() {
      named ??= Object.fromEntries(sources.map((index) => all[index]!))
      return named
    },
  }
}

/** `origins`: of all that was compiled along, in any order. */
export function rememberCatalog(
  files: readonly PluginFile[],
  { artifacts, stages, digest }: Catalog,
  origins: readonly Origins[],
): void {
  const stamps = new Map<string, string>()
  for (const { path, stats } of origins.flatMap((origin) => origin.stamps)) {
    if (stats === null) return
    stamps.set(path, stats)
  }
  const modules = new Map<string, SharedModule>()
  const order = new Map<string, number>()
  const sources: (readonly [string, string])[] = []
  const sourceIndex = new Map<string, number>()
  const indexOf = (module: CompiledModule): number => {
    const known = order.get(module.entry)
    if (known !== undefined) return known
    const shared = Object.entries(module.sources).map(([name, hash]) => {
      const key = `${hash} ${name}`
      const index = sourceIndex.get(key) ?? sources.push([name, hash]) - 1
      sourceIndex.set(key, index)
      return index
    })
    modules.set(module.entry, { ...module, sources: shared })
    order.set(module.entry, order.size)
    return order.size - 1
  }
  const memory: Omit<Memory, 'sources' | 'modules'> = {
    version: memoryVersion,
    files: files.map(({ file }) => [file, realPathOf(file) ?? file] as const),
    stamps: [...stamps],
    absent: [...new Set(origins.flatMap((origin) => origin.absent))],
    artifacts: [...artifacts.values()].flatMap(({ module, ...artifact }) =>
      module === undefined ? [] : [[artifact, indexOf(module)] as const],
    ),
    stages: [...stages.values()].map(({ module, ...stage }) => [stage, indexOf(module)] as const),
    digest,
  }
  const place = placeOf(files)
  replaceFile(place, JSON.stringify({ ...memory, sources, modules: [...modules.values()] }))
  sweep(path.dirname(place))
}

function sweep(folder: string): void {
  for (const name of fs.readdirSync(folder)) {
    const file = path.join(folder, name)
    const stats = fs.statSync(file, { throwIfNoEntry: false })
    if (stats !== undefined && Date.now() - stats.mtimeMs > keptMs) fs.rmSync(file, { force: true })
  }
}

function placeOf(files: readonly PluginFile[]): string {
  const names = files.map(({ file, root }) => `${root}\n${file}`).join('\n')
  const name = createHash('sha256').update(names).digest('hex').slice(0, 32)
  return path.join(cacheFolder(), 'catalogs', `${name}.json`)
}

function realPathOf(file: string): string | undefined {
  try {
    return fs.realpathSync.native(file)
  } catch {
    return undefined
  }
}

function readMemory(place: string): Memory | undefined {
  try {
    return JSON.parse(fs.readFileSync(place, 'utf8')) as Memory
  } catch {
    return undefined
  }
}
