/**
 * @file Bundles the engine's TypeScript for the launcher: into two CommonJS files (`split-engine.mjs`), since V8 keeps
 * what it compiled of such a file alone, and modules loaded one by one take longer than a run that has nothing to do. A
 * build is written to a folder of its own and renamed into place under the digest of its content, so that two processes
 * may build at once and a running process keeps the files that it may yet import.
 */
import { createHash, randomUUID } from 'node:crypto'
import fs from 'node:fs'
import { isBuiltin } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { leaveRest, mainCode, partsOf, restCode, takeFromMain } from './split-engine.mjs'

/** A build that was superseded this long ago is not in use any more. */
const keptMs = 3 * 24 * 3600 * 1000
/** Clocks of file systems tick more coarsely than ours. */
const clockGranularityMs = 50

class EngineBuildFailure extends Error {
  name = 'EngineBuildFailure'
}

/** `preferred`, or a private temporary folder where `preferred` cannot be written. */
export function usableCacheFolder(root, preferred) {
  return writable(preferred) ? preferred : openTemporary(root)
}

/**
 * @param {string} root Flow's own folder.
 * @param {string} cacheFolder Where to keep the build.
 * @returns {Promise<string>} Absolute path of the built `main.cjs`.
 */
export async function buildEngine(root, cacheFolder) {
  const startedMs = Date.now()
  const esbuild = await import('esbuild')
  const options = {
    absWorkingDir: root,
    outdir: path.join(cacheFolder, 'engine-new'),
    bundle: true,
    platform: 'node',
    target: 'node20',
    packages: 'external',
    jsx: 'automatic',
    sourcemap: 'linked',
    sourcesContent: false,
    metafile: true,
    write: false,
    logLevel: 'silent',
    tsconfigRaw: {},
    define: { 'import.meta.url': '__moduleUrl', 'import.meta.dirname': '__dirname' },
  }
  const screens = new Set()
  let results
  try {
    const plugins = [separateScreens(screens), bundledPackages(root), modulePackages, ownPlaces]
    const whole = { ...options, format: 'cjs', outExtension: { '.js': '.cjs' } }
    const { metafile } = await esbuild.build({
      ...whole,
      entryPoints: ['engine/cli/main.ts'],
      sourcemap: false,
      plugins,
    })
    const parts = partsOf(metafile)
    const half = (name, contents, plugin) =>
      esbuild.build({
        ...whole,
        stdin: { contents, resolveDir: root, sourcefile: name },
        entryNames: name,
        plugins: [plugin, ...plugins],
      })
    const main = await half('main', mainCode(parts), leaveRest(root, parts))
    const rest = await half('rest', restCode(parts), takeFromMain(root, parts))
    const others = await esbuild.build({
      ...options,
      entryPoints: [...screens],
      format: 'esm',
      outExtension: { '.js': '.mjs' },
      entryNames: '[name]',
      plugins: [bundledPackages(root), ownPlaces],
    })
    results = [main, rest, others]
  } catch (error) {
    if (!Array.isArray(error.errors)) throw error
    const lines = await esbuild.formatMessages(error.errors, {
      kind: 'error',
      color: process.stderr.isTTY === true,
    })
    throw new EngineBuildFailure(`Flow's own sources do not compile\n\n${lines.join('')}`)
  }
  const folder = place(
    cacheFolder,
    results.flatMap(({ outputFiles }) => outputFiles.map(withImportFunction)),
  )
  const builders = ['engine/cli/build-engine.mjs', 'engine/cli/split-engine.mjs']
  // What is installed shows in the lock files.
  const installed = ['package.json', 'package-lock.json', 'node_modules/.package-lock.json']
  const sources = new Set(results.flatMap(({ metafile }) => Object.keys(metafile.inputs)))
  const inputs = [...sources, ...builders, ...installed]
    .filter((file) => installed.includes(file) || !file.split('/').includes('node_modules'))
    .filter((file) => fs.existsSync(path.join(root, file)))
    .map((file) => [file, stamp(path.join(root, file), startedMs)])
  announce(cacheFolder, { root, folder, inputs })
  sweep(cacheFolder, folder)
  return path.join(cacheFolder, folder, 'main.cjs')
}

/**
 * A `.tsx` that is imported on demand becomes an ES module of its own: Ink is one, and none that CommonJS can take in. It
 * shares no state with the rest of the engine.
 */
function separateScreens(found) {
  return {
    name: 'separate-screens',
    setup(build) {
      build.onResolve({ filter: /\.tsx$/ }, (args) => {
        if (args.kind !== 'dynamic-import') return undefined
        found.add(path.join(args.resolveDir, args.path))
        return { path: `./${path.basename(args.path, '.tsx')}.mjs`, external: true }
      })
    },
  }
}

/** Packages that are ES modules are taken in: `require` of CommonJS would not find their default export. */
const modulePackages = {
  name: 'module-packages',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, (args) => {
      if (args.kind !== 'import-statement' || isBuiltin(args.path)) return undefined
      try {
        const file = fileURLToPath(import.meta.resolve(args.path))
        return isModule(file) ? { path: file } : undefined
      } catch {
        // Not installed: that is said when it is imported.
        return undefined
      }
    })
  },
}

function isModule(file) {
  if (!file.endsWith('.js')) return file.endsWith('.mjs')
  for (let folder = path.dirname(file); folder !== path.dirname(folder); folder = path.dirname(folder)) {
    const manifest = path.join(folder, 'package.json')
    if (fs.existsSync(manifest)) return JSON.parse(fs.readFileSync(manifest, 'utf8')).type === 'module'
  }
  return false
}

/** V8 forgets how to import on behalf of code that it kept: the launcher gives `main.cjs` a function for it. */
function withImportFunction(file) {
  if (!file.path.endsWith('.cjs')) return file
  return { path: file.path, contents: Buffer.from(file.text.replace(/\bimport\(/g, '__import(')) }
}

/** The packages that `package.json` names under `flow.bundle`: loading their many files one by one takes long. */
export function bundledPackages(root) {
  const { flow } = JSON.parse(fs.readFileSync(path.join(root, 'package.json'), 'utf8'))
  const bundled = new Set(flow?.bundle)
  return {
    name: 'bundled-packages',
    setup(build) {
      build.onResolve({ filter: /^[^./]/ }, (args) => {
        if (!bundled.has(args.path)) return undefined
        try {
          return { path: fileURLToPath(import.meta.resolve(args.path)) }
        } catch {
          // Not installed: that is said when it is imported.
          return undefined
        }
      })
    },
  }
}

/** `import.meta.url` means the place of the `.ts` file, in a bundle as elsewhere. */
export const ownPlaces = {
  name: 'own-places',
  setup(build) {
    build.onLoad({ filter: /\.tsx?$/ }, async (args) => {
      const text = await fs.promises.readFile(args.path, 'utf8')
      const url = JSON.stringify(pathToFileURL(args.path).href)
      const contents = text.includes('import.meta.url') ? `const __moduleUrl = ${url};${text}` : text
      return { contents, loader: args.path.endsWith('x') ? 'tsx' : 'ts' }
    })
  },
}

/** A file that changed while the build ran gets a stamp that no file has: the next start builds again. */
function stamp(file, startedMs) {
  const stats = fs.statSync(file, { bigint: true })
  if (Number(stats.mtimeMs) > startedMs - clockGranularityMs) return 'changed'
  return `${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}`
}

function place(cacheFolder, outputFiles) {
  const digest = createHash('sha256')
  for (const file of outputFiles)
    digest.update(`${path.basename(file.path)}\0${file.contents.length}\0`).update(file.contents)
  const folder = `engine-${digest.digest('hex').slice(0, 16)}`
  const destination = path.join(cacheFolder, folder)
  if (fs.existsSync(destination)) {
    // It may have been superseded long ago; a sweep of another process must not take it now.
    touch(destination)
    return folder
  }
  const attempt = path.join(cacheFolder, `tmp-${randomUUID()}`)
  fs.mkdirSync(attempt)
  for (const file of outputFiles)
    fs.writeFileSync(path.join(attempt, path.basename(file.path)), file.contents)
  try {
    fs.renameSync(attempt, destination)
  } catch (error) {
    // Another process was faster with the same content.
    fs.rmSync(attempt, { recursive: true, force: true })
    if (!fs.existsSync(destination)) throw error
  }
  return folder
}

function announce(cacheFolder, built) {
  const attempt = path.join(cacheFolder, `tmp-${randomUUID()}`)
  fs.writeFileSync(attempt, JSON.stringify(built))
  supersede(cacheFolder)
  fs.renameSync(attempt, path.join(cacheFolder, 'engine.json'))
}

/** The age of a folder counts from when it stopped being the current one. */
function supersede(cacheFolder) {
  try {
    const { folder } = JSON.parse(fs.readFileSync(path.join(cacheFolder, 'engine.json'), 'utf8'))
    touch(path.join(cacheFolder, folder))
  } catch {
    // There was none.
  }
}

function touch(folder) {
  const now = new Date()
  fs.utimesSync(folder, now, now)
}

function sweep(cacheFolder, current) {
  for (const name of fs.readdirSync(cacheFolder)) {
    if (name === current || !/^(engine|tmp)-/.test(name)) continue
    const folder = path.join(cacheFolder, name)
    const stats = fs.statSync(folder, { throwIfNoEntry: false })
    if (stats !== undefined && Date.now() - stats.mtimeMs > keptMs)
      fs.rmSync(folder, { recursive: true, force: true })
  }
}

function writable(folder) {
  try {
    fs.mkdirSync(folder, { recursive: true })
    fs.accessSync(folder, fs.constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** Code is imported from here: a folder that someone else owns or can write is refused. */
function openTemporary(root) {
  const owner = process.getuid?.() ?? os.userInfo().username
  const digest = createHash('sha256').update(root).digest('hex').slice(0, 12)
  const folder = path.join(os.tmpdir(), `flow-cache-${owner}-${digest}`)
  fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
  const stats = fs.lstatSync(folder)
  const foreign =
    process.getuid !== undefined && (stats.uid !== process.getuid() || (stats.mode & 0o022) !== 0)
  if (!stats.isDirectory() || foreign) {
    throw new EngineBuildFailure(
      `${folder} is not a private folder of yours: remove it, or make node_modules writable`,
    )
  }
  // Bare imports of the compiled code are resolved from where it lies.
  const packages = path.join(folder, 'node_modules')
  if (!fs.existsSync(packages)) fs.symlinkSync(path.join(root, 'node_modules'), packages, 'junction')
  return folder
}
