/** @file Compiles plugin entries with esbuild, all in one build, and tells what each of them is made of. */
import path from 'node:path'
import type { Message } from 'esbuild'
import { flowRoot } from '../flow-root.ts'
import { cacheFolder, placeFolder } from './cache-folder.ts'
import { type Closure, closureOf } from './closure.ts'
import { hashBytes } from './file-stamp.ts'
import { ownPlace, type ResolvedImports, resolveImports } from './resolve-imports.ts'

export interface Entry {
  /** Absolute real path of a TypeScript file. */
  readonly file: string
  /** Absolute real path of the project or package that the file belongs to. */
  readonly root: string
}

export interface BundledEntry {
  readonly closure: Closure
  /** Name of the build's folder in the cache folder. */
  readonly folder: string
  /** Name of the entry's compiled file in it. */
  readonly bundle: string
}

/** The sources do not compile; `messages` are esbuild's, with positions. */
export class BundleFailure extends Error {
  override readonly name = 'BundleFailure'
  readonly messages: readonly Message[]
  constructor(messages: readonly Message[]) {
    super(messages[0]?.text ?? 'the sources do not compile')
    this.messages = messages
  }
}

/** @throws BundleFailure if any of the entries does not compile. */
export async function bundle(entries: readonly Entry[]): Promise<BundledEntry[]> {
  const { build } = await import('esbuild')
  const record: ResolvedImports = { stamps: new Map(), dependencies: new Map() }
  const result = await build({
    absWorkingDir: flowRoot,
    entryPoints: entries.map((entry) => ({ in: entry.file, out: outName(entry) })),
    // Nothing is written there: source maps are relative to it, and the build comes to lie beside it.
    outdir: path.join(cacheFolder(), 'plugins-new'),
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    // As Node resolves: no `module` field or condition.
    mainFields: ['main'],
    conditions: [],
    jsx: 'automatic',
    sourcemap: 'linked',
    sourcesContent: false,
    chunkNames: '[name]-[hash]',
    metafile: true,
    write: false,
    logLevel: 'silent',
    // A `tsconfig.json` would be one more thing that the digest depends on.
    tsconfigRaw: {},
    define: { ...ownPlace },
    plugins: [resolveImports(record)],
  }).catch((error: unknown) => {
    if (error instanceof Error && 'errors' in error) throw new BundleFailure(error.errors as Message[])
    throw error
  })
  const folder = placeFolder('plugins', [
    ...result.outputFiles.map((file) => ({ name: path.basename(file.path), contents: file.contents })),
    // Below `node_modules` nothing else says so: Node would parse each file twice to find out what it is.
    { name: 'package.json', contents: Buffer.from('{"type":"module"}\n') },
  ])
  return entries.map((entry) => ({
    closure: closureOf(entry.file, entry.root, result.metafile, record),
    folder,
    bundle: `${outName(entry)}.js`,
  }))
}

/** Readable in a stack trace, and unique in a build. */
function outName(entry: Entry): string {
  const name = path.relative(entry.root, entry.file).replace(/\.[^.]+$/, '')
  return `${name.replace(/[^A-Za-z0-9]+/g, '-')}-${hashBytes(entry.file).slice(0, 8)}`
}
