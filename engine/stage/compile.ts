/**
 * @file The loader of TypeScript plugins: compiles an entry with all that it imports, or finds that nothing of it
 * changed since last time, which costs stats only.
 */
import fs from 'node:fs'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Diagnostic } from '../diagnostic.ts'
import { flowRoot } from '../flow-root.ts'
import type { BundledEntry, Entry } from './bundle.ts'
import { cacheFolder, replaceFile, sweepFolders, touch } from './cache-folder.ts'
import type { CompiledModule } from './catalog.ts'
import { diagnosticOf, lineOf } from './compile-diagnostic.ts'
import { StageFailure } from './failure.ts'
import { type FileStamp, hashBytes, readStamped, StampChecker } from './file-stamp.ts'

export type { Entry }

export type CompileResult =
  | { readonly module: CompiledModule; readonly diagnostics?: undefined }
  | { readonly module?: undefined; readonly diagnostics: readonly Diagnostic[] }

/** What is remembered of a compiled entry. */
interface Remembered {
  readonly schema: 2
  readonly entry: string
  readonly root: string
  readonly folder: string
  readonly bundle: string
  readonly digest: string
  readonly sources: Readonly<Record<string, string>>
  readonly packages: readonly string[]
  /** Sources, and the package manifests that the build read. */
  readonly stamps: readonly FileStamp[]
  readonly absent: readonly string[]
}

/**
 * Compiles one entry.
 * @param entry Absolute path of a TypeScript file.
 * @param root The folder that names in the digest are relative to; by default that of the nearest `package.json`.
 * @throws StageFailure `compile-error` with file and line.
 */
export async function compile(entry: string, root?: string): Promise<CompiledModule> {
  const [result] = await compileAll([{ file: entry, root: root ?? rootOf(entry) }])
  if (result?.module !== undefined) return result.module
  const [first] = result?.diagnostics ?? []
  throw new StageFailure({
    code: first?.code ?? 'compile-error',
    message: first?.message ?? 'does not compile',
    ...(first?.file !== undefined && { file: first.file }),
    ...(first?.hint !== undefined && { hint: first.hint }),
    ...lineOf(first),
  })
}

/** Compiles many entries in one build; a faulty one does not keep the others from it. Results in the order of `entries`. */
export async function compileAll(entries: readonly Entry[]): Promise<CompileResult[]> {
  const checker = new StampChecker()
  const results = new Map<string, CompileResult>()
  const stale: Entry[] = []
  const real = entries.map(({ file, root }) => ({ file: realPath(file), root: realPath(root) }))
  for (const entry of real) {
    const module = remembered(entry, checker)
    if (module === undefined) stale.push(entry)
    else results.set(entry.file, { module })
  }
  for (const [entry, result] of await build(stale)) results.set(entry.file, result)
  // Flow's own share modules whatever was compiled when, so that what one keeps in a process another can use.
  const own = real.filter((entry) => entry.root === flowRoot)
  const isApart = areOfSeveralBuilds(own.map((entry) => results.get(entry.file)!))
  if (isApart) for (const [entry, result] of await build(own)) results.set(entry.file, result)
  if (stale.length > 0 || isApart) sweep()
  return real.map((entry) => results.get(entry.file)!)
}

/** What the modules of these entries, which have just been compiled, were made from. */
export function originsOf(entries: readonly Entry[]): readonly Pick<Remembered, 'stamps' | 'absent'>[] {
  return entries.map(({ file }) => readRemembered(memoryFile(realPath(file))) ?? neverSame)
}

/** Of an entry whose memory another process has just taken away. */
const neverSame = { stamps: [{ path: '', stats: null, hash: '' }], absent: [] }

/** The module's namespace. Runs the plugin's top level on first use. */
export function importModule(module: CompiledModule): Promise<Readonly<Record<string, unknown>>> {
  return import(/* @vite-ignore */ pathToFileURL(module.bundle).href)
}

/** Not of those of which one is faulty. */
function areOfSeveralBuilds(results: readonly CompileResult[]): boolean {
  const folders = results.map(({ module }) => module && path.dirname(module.bundle))
  return !folders.includes(undefined) && new Set(folders).size > 1
}

async function build(entries: readonly Entry[]): Promise<[Entry, CompileResult][]> {
  if (entries.length === 0) return []
  const { bundle, BundleFailure } = await import('./bundle.ts')
  try {
    const bundled = await bundle(entries)
    return entries.map((entry, index) => [entry, { module: remember(entry, bundled[index]!) }])
  } catch (error) {
    if (!(error instanceof BundleFailure)) throw error
    if (entries.length === 1) {
      return [
        [entries[0]!, { diagnostics: error.messages.map((message) => diagnosticOf(message, entries[0]!)) }],
      ]
    }
    // Which entries the faults belong to shows only when each is built by itself.
    return (await Promise.all(entries.map((entry) => build([entry])))).flat()
  }
}

function remembered(entry: Entry, checker: StampChecker): CompiledModule | undefined {
  const known = readRemembered(memoryFile(entry.file))
  if (known?.schema !== 2 || known.entry !== entry.file || known.root !== entry.root) return undefined
  if (!known.absent.every((place) => checker.isAbsent(place))) return undefined
  let renewed = false
  for (const stamp of known.stamps) {
    const state = checker.check(stamp)
    if (state === 'changed') return undefined
    if (state === 'renewed') renewed = true
  }
  const module = moduleOf(entry, known)
  if (!fs.existsSync(module.bundle)) return undefined
  if (renewed) {
    const stamps = known.stamps.map((stamp) => readStamped(stamp.path).stamp)
    // A change between the check and this reading is left for the next start to find.
    if (stamps.every((stamp, index) => stamp.hash === known.stamps[index]!.hash)) {
      replaceFile(memoryFile(entry.file), JSON.stringify({ ...known, stamps }))
    }
  }
  return module
}

function remember(entry: Entry, { closure, folder, bundle }: BundledEntry): CompiledModule {
  const { digest, sources, packages, absent } = closure
  const stamps = [...closure.stamps, ...closure.manifests.map((manifest) => readStamped(manifest).stamp)]
  const known: Remembered = {
    schema: 2,
    entry: entry.file,
    root: entry.root,
    folder,
    bundle,
    digest,
    sources,
    packages,
    stamps,
    absent,
  }
  const file = memoryFile(entry.file)
  const former = readRemembered(file)
  if (former !== undefined && former.folder !== folder) touch(former.folder)
  replaceFile(file, JSON.stringify(known))
  return moduleOf(entry, known)
}

function moduleOf(entry: Entry, { folder, bundle, digest, sources, packages }: Remembered): CompiledModule {
  return { entry: entry.file, bundle: path.join(cacheFolder(), folder, bundle), digest, sources, packages }
}

function memoryFile(entry: string): string {
  return path.join(cacheFolder(), 'modules', `${hashBytes(entry).slice(0, 32)}.json`)
}

function readRemembered(file: string): Remembered | undefined {
  try {
    return JSON.parse(fs.readFileSync(file, 'utf8')) as Remembered
  } catch {
    return undefined
  }
}

/** Forgets entries that are gone together with their builds, and removes what was superseded long ago. */
function sweep(): void {
  const memory = path.join(cacheFolder(), 'modules')
  const inUse = new Set<string>()
  const left = new Set<string>()
  for (const name of fs.readdirSync(memory)) {
    const file = path.join(memory, name)
    const known = readRemembered(file)
    if (known === undefined) continue
    if (fs.existsSync(known.entry)) {
      inUse.add(known.folder)
    } else {
      left.add(known.folder)
      fs.rmSync(file, { force: true })
    }
  }
  sweepFolders('plugins', inUse, left)
}

/** The folder of the nearest `package.json`, else the entry's own. */
export function rootOf(entry: string): string {
  for (let folder = path.dirname(entry); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    if (fs.existsSync(path.join(folder, 'package.json'))) return folder
  }
  return path.dirname(entry)
}

/** A path that does not exist stays as it is and fails to compile. */
function realPath(file: string): string {
  try {
    return fs.realpathSync(file)
  } catch {
    return file
  }
}
