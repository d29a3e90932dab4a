#!/usr/bin/env node
/**
 * @file The `flow` command: a launcher in plain JavaScript. It compares the TypeScript sources with the stamps of
 * the last build (a few ms), rebuilds when one of them changed, and hands the command line to `main.ts`.
 * Everything that a warm start does not need is imported only when it is needed. It is CommonJS (package.json beside it),
 * since Node starts an ES module some milliseconds later.
 */
const { hash } = require('node:crypto')
const { existsSync, readFileSync, renameSync, statSync, writeFileSync } = require('node:fs')
const { createRequire, SourceMap } = require('node:module')
const path = require('node:path')
const { pathToFileURL } = require('node:url')
const vm = require('node:vm')

const neededNode = [20, 19]
const digestBytes = 32
const root = path.dirname(path.dirname(__dirname))

/** Absolute path of the built `main`, or undefined if there is none or a source changed since. */
function freshEngine(cacheFolder) {
  let built
  try {
    built = JSON.parse(readFileSync(path.join(cacheFolder, 'engine.json'), 'utf8'))
  } catch {
    return undefined
  }
  if (built.root !== root) return undefined
  for (const [file, stamp] of built.inputs) {
    // Hundreds of files: `path.join` would take longer than the stat.
    const stats = statSync(`${root}/${file}`, { bigint: true, throwIfNoEntry: false })
    if (stats === undefined || `${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}` !== stamp) return undefined
  }
  const main = path.join(cacheFolder, built.folder, 'main.cjs')
  return existsSync(main) ? main : undefined
}

/**
 * Runs one of the engine's files and returns what it exports; `rest.cjs` when something of it is first asked for. What
 * V8 compiled of it is kept beside it, for each command what that command needs; V8 itself refuses what another version
 * of it, or one with other flags, has left there.
 */
function loadEngine(file, command, main) {
  const parameters = ['exports', 'require', 'module', '__filename', '__dirname', '__import']
  // The build writes nothing but ASCII.
  const text = `(function (${parameters.join(', ')}) {${readFileSync(file, 'latin1')}\n})`
  const kept = `${file}.${/^[a-z]+$/.test(command) ? command : 'other'}-${process.version}-${process.arch}`
  const cachedData = readKept(kept)
  const script = new vm.Script(text, { filename: file, ...(cachedData && { cachedData }) })
  if (cachedData === undefined) {
    process.once('exit', (code) => {
      if (code === 0) keep(kept, script.createCachedData())
    })
  }
  const engine = { exports: {} }
  const requireFrom = createRequire(file)
  const require = (name) => (name === './main.cjs' ? main : requireFrom(name))
  let rest
  const importFrom = async (name) => {
    if (!name.startsWith('./')) return await import(name)
    const [, part] = name.split('#')
    if (part === undefined) return await import(pathToFileURL(path.resolve(file, '..', name)).href)
    rest ??= loadEngine(path.join(file, '..', 'rest.cjs'), command, engine.exports)
    return rest.modules[part]()
  }
  script.runInThisContext()(engine.exports, require, engine, file, path.dirname(file), importFrom)
  return engine.exports
}

/** V8 does not look whether the bytes are still those that it wrote. */
function readKept(file) {
  try {
    const bytes = readFileSync(file)
    const data = bytes.subarray(digestBytes)
    return digestOf(data).equals(bytes.subarray(0, digestBytes)) ? data : undefined
  } catch {
    return undefined
  }
}

function keep(file, data) {
  const attempt = `${file}.${process.pid}`
  try {
    writeFileSync(attempt, Buffer.concat([digestOf(data), data]))
    renameSync(attempt, file)
  } catch {
    // The next start compiles again.
  }
}

function digestOf(data) {
  return hash('sha256', data, 'buffer')
}

/** Places in the engine's files as places in its sources. Node does so for the files that it loads itself. */
function mapStack(error) {
  if (typeof error?.stack !== 'string') return
  const maps = new Map()
  error.stack = error.stack.replaceAll(/([^\s()]*\.cjs):(\d+):(\d+)/g, (place, file, line, column) => {
    if (!maps.has(file)) maps.set(file, readMap(`${file}.map`))
    const found = maps.get(file)?.findEntry(Number(line) - 1, Number(column) - 1)
    if (found?.originalSource === undefined) return place
    const source = path.resolve(file, '..', found.originalSource)
    return `${source}:${found.originalLine + 1}:${found.originalColumn + 1}`
  })
}

function readMap(file) {
  return existsSync(file) ? new SourceMap(JSON.parse(readFileSync(file, 'utf8'))) : undefined
}

function refuse(message) {
  process.stderr.write(`flow: ${message}\n`)
  process.exit(2)
}

function refuseMissingDependency(error) {
  const missing =
    ['ERR_MODULE_NOT_FOUND', 'MODULE_NOT_FOUND'].includes(error?.code) &&
    /Cannot find (?:package|module) '([^']+)'/.exec(error.message)
  if (!missing) throw error
  refuse(`the package '${missing[1]}' is not installed: run \`npm ci\` in ${root}`)
}

async function start() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < neededNode[0] || (major === neededNode[0] && minor < neededNode[1])) {
    refuse(`needs Node.js ${neededNode.join('.')} or newer; this is ${process.versions.node}`)
  }
  const engine = await builtEngine()
  // Should nothing be left to wait for before the command has ended, that is a failure.
  process.exitCode = 1
  process.setSourceMapsEnabled(true)
  process.on('uncaughtExceptionMonitor', mapStack)
  try {
    const [command = ''] = process.argv.slice(2)
    const { main } = loadEngine(engine, command)
    const code = await main(process.argv.slice(2))
    // All is written by now. V8 would go on with what it has begun for a command that took longer.
    process.exit(code)
  } catch (error) {
    refuseMissingDependency(error)
  }
}

async function builtEngine() {
  const cacheFolder = path.join(root, 'node_modules', '.cache', 'flow')
  const fresh = freshEngine(cacheFolder)
  if (fresh !== undefined) return fresh
  try {
    const { buildEngine, usableCacheFolder } = await import('./build-engine.mjs')
    const usable = usableCacheFolder(root, cacheFolder)
    return freshEngine(usable) ?? (await buildEngine(root, usable))
  } catch (error) {
    if (error?.name === 'EngineBuildFailure') refuse(error.message)
    refuseMissingDependency(error)
  }
}

start()
