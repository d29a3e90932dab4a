/**
 * @file How the imports of a plugin are resolved. Sources are bundled; packages stay outside and are imported by the
 * absolute URL of the very file that Node itself would load for the importer, so that a package has one instance in
 * a process wherever the compiled code lies.
 */
import { isBuiltin } from 'node:module'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { OnResolveArgs, OnResolveResult, Plugin, PluginBuild, ResolveResult } from 'esbuild'
import { flowRoot } from '../flow-root.ts'
import { type FileStamp, readStamped } from './file-stamp.ts'
import { emptyPlaces, isSource, PackageManifests, packageName } from './package-of.ts'

/** What one file's imports depend on beside the imported sources. */
export interface Dependencies {
  /** `name@version`. */
  readonly packages: Set<string>
  /** Package manifests that were read. */
  readonly manifests: Set<string>
  /** Places where a package would be found first, were it there. */
  readonly absent: Set<string>
}

export interface ResolvedImports {
  /** By absolute path, for each source file that was read. */
  readonly stamps: Map<string, FileStamp>
  /** By absolute path of the importer. */
  readonly dependencies: Map<string, Dependencies>
}

/** Marks our own calls of esbuild's resolver. */
const inner = Symbol('inner')
/** Files of packages that are bundled: Node cannot load them, or only slowly since they are many. */
const bundledNamespace = 'flow-bundled'

/** Code that Node cannot load as it is, and content that becomes a string. */
const loaders: Readonly<Record<string, 'js' | 'jsx' | 'ts' | 'tsx' | 'json' | 'text'>> = {
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.jsx': 'jsx',
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.json': 'json',
  '.txt': 'text',
  '.md': 'text',
  '.html': 'text',
  '.css': 'text',
  '.svg': 'text',
  '.yaml': 'text',
  '.jinja': 'text',
}
const loadedByNode = new Set(['.js', '.mjs', '.cjs', '.node', ''])

export function resolveImports(record: ResolvedImports): Plugin {
  return {
    name: 'flow-imports',
    setup(build) {
      const manifests = new PackageManifests()
      const resolver = new ImportResolver(build, record, manifests)
      build.onResolve({ filter: /^[^./#]/ }, (args) => resolver.resolve(args))
      build.onLoad({ filter: /.*/, namespace: bundledNamespace }, async (args) => ({
        contents: await bundledModule(build, args.path, manifests),
        resolveDir: path.dirname(args.path),
      }))
      build.onLoad({ filter: /.*/, namespace: 'file' }, (args) => {
        const loader = loaders[path.extname(args.path)]
        if (loader === undefined) return undefined
        const { stamp, bytes } = readStamped(args.path)
        if (isSource(args.path)) record.stamps.set(args.path, stamp)
        const text = bytes.toString('utf8')
        return {
          contents: loader === 'text' || loader === 'json' ? text : withOwnPlace(text, args.path),
          loader,
        }
      })
    },
  }
}

/** `import.meta.url` and its kin mean the place of the source, not of the compiled code (see `ownPlace`). */
function withOwnPlace(text: string, file: string): string {
  if (!text.includes('import.meta.')) return text
  const url = JSON.stringify(pathToFileURL(file).href)
  const place = `const __moduleUrl = ${url}, __moduleFile = ${JSON.stringify(file)}, __moduleFolder = ${JSON.stringify(path.dirname(file))};`
  // On the first line, so that line numbers stay; after a `#!` line, which must come first.
  return text.startsWith('#!') ? text.replace('\n', `\n${place}`) : place + text
}

/** For esbuild's `define`. */
export const ownPlace: Readonly<Record<string, string>> = {
  'import.meta.url': '__moduleUrl',
  'import.meta.filename': '__moduleFile',
  'import.meta.dirname': '__moduleFolder',
}

/**
 * A file that is not its package's entry brings copies of some of the package's modules. The entry is evaluated
 * first, so that what these modules share in a process belongs to the one instance that everyone imports.
 */
async function bundledModule(build: PluginBuild, file: string, manifests: PackageManifests): Promise<string> {
  const name = manifests.owner(file)?.name
  const found =
    name === undefined
      ? undefined
      : await build.resolve(name, {
          kind: 'import-statement',
          resolveDir: path.dirname(file),
          pluginData: inner,
        })
  const entry = found?.errors.length === 0 && found.path !== file
  const before = entry ? `import ${JSON.stringify(name)};\n` : ''
  const specifier = JSON.stringify(file)
  return `${before}export * from ${specifier};\nimport * as all from ${specifier};\nexport default all.default;\n`
}

class ImportResolver {
  readonly #build: PluginBuild
  readonly #record: ResolvedImports
  readonly #manifests: PackageManifests
  readonly #found = new Map<string, Promise<ResolveResult>>()

  constructor(build: PluginBuild, record: ResolvedImports, manifests: PackageManifests) {
    this.#build = build
    this.#record = record
    this.#manifests = manifests
  }

  async resolve(args: OnResolveArgs): Promise<OnResolveResult | undefined> {
    if (args.pluginData === inner || args.kind === 'entry-point' || path.isAbsolute(args.path))
      return undefined
    if (isBuiltin(args.path) || /^(data|file|https?):/.test(args.path))
      return { path: args.path, external: true }
    const dependencies = this.#dependenciesOf(args.importer)
    const own = args.path.startsWith('flow/')
    const name = packageName(args.path)
    if (!own) for (const place of emptyPlaces(args.resolveDir, name)) dependencies.absent.add(place)

    let found = await this.#find(args, own ? flowRoot : args.resolveDir)
    // A plugin of a project without packages of its own may import those of Flow.
    if (found.errors.length > 0 && !own) found = await this.#find(args, flowRoot)
    if (found.errors.length > 0) return this.#notFound(args, found)
    if (found.namespace !== 'file' || found.external) return { path: found.path, external: found.external }
    if (isSource(found.path)) return { path: found.path, sideEffects: found.sideEffects }

    const manifest = this.#manifests.owner(found.path)
    if (manifest !== undefined) {
      dependencies.packages.add(`${manifest.name}@${manifest.version}`)
      dependencies.manifests.add(manifest.file)
    }
    const importing = this.#manifests.nearest(args.importer)
    if (importing !== undefined && isSource(importing.file)) {
      dependencies.manifests.add(importing.file)
      if (importing.bundled.includes(args.path)) return { path: found.path, namespace: bundledNamespace }
    }
    if (!loadedByNode.has(path.extname(found.path)))
      return { path: found.path, sideEffects: found.sideEffects }
    const byPath = args.kind === 'require-call' || args.kind === 'require-resolve'
    return { path: byPath ? found.path : pathToFileURL(found.path).href, external: true }
  }

  /** A missing package that is imported dynamically may be an optional one: it fails when it is asked for. */
  #notFound(args: OnResolveArgs, found: ResolveResult): OnResolveResult {
    if (args.kind !== 'import-statement') return { path: args.path, external: true }
    const name = packageName(args.path)
    const [error] = found.errors
    const note = args.path.startsWith('flow/')
      ? "Flow offers 'flow/stage', 'flow/artifacts', 'flow/code' and 'flow/lm/...'"
      : `install it: npm install ${name}`
    return { errors: [{ text: error?.text ?? `Could not resolve "${args.path}"`, notes: [{ text: note }] }] }
  }

  #find(args: OnResolveArgs, folder: string): Promise<ResolveResult> {
    const key = `${args.kind}\0${folder}\0${args.path}`
    let found = this.#found.get(key)
    if (found === undefined) {
      const { importer, kind } = args
      found = this.#build.resolve(args.path, { kind, importer, resolveDir: folder, pluginData: inner })
      this.#found.set(key, found)
    }
    return found
  }

  #dependenciesOf(importer: string): Dependencies {
    let dependencies = this.#record.dependencies.get(importer)
    if (dependencies === undefined) {
      dependencies = { packages: new Set(), manifests: new Set(), absent: new Set() }
      this.#record.dependencies.set(importer, dependencies)
    }
    return dependencies
  }
}
