#!/usr/bin/env node
/**
 * @file The `flow` command: a launcher in plain JavaScript. It compares the TypeScript sources with the stamps of
 * the last build (a few ms), rebuilds when one of them changed, and hands the command line to `main.ts`.
 * Everything that a warm start does not need is imported only when it is needed.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import module from 'node:module'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const neededNode = [20, 19]
const root = path.dirname(path.dirname(path.dirname(fileURLToPath(import.meta.url))))

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
    const stats = statSync(path.join(root, file), { bigint: true, throwIfNoEntry: false })
    if (stats === undefined || `${stats.size}:${stats.mtimeNs}:${stats.ctimeNs}` !== stamp) return undefined
  }
  const main = path.join(cacheFolder, built.folder, 'main.js')
  return existsSync(main) ? main : undefined
}

function refuse(message) {
  process.stderr.write(`flow: ${message}\n`)
  process.exit(2)
}

function refuseMissingDependency(error) {
  const missing =
    error?.code === 'ERR_MODULE_NOT_FOUND' && /Cannot find package '([^']+)'/.exec(error.message)
  if (!missing) throw error
  refuse(`the package '${missing[1]}' is not installed: run \`npm ci\` in ${root}`)
}

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < neededNode[0] || (major === neededNode[0] && minor < neededNode[1])) {
  refuse(`needs Node.js ${neededNode.join('.')} or newer; this is ${process.versions.node}`)
}

const cacheFolder = path.join(root, 'node_modules', '.cache', 'flow')
let engine = freshEngine(cacheFolder)
if (engine === undefined) {
  try {
    const { buildEngine, usableCacheFolder } = await import('./build-engine.js')
    const usable = usableCacheFolder(root, cacheFolder)
    engine = freshEngine(usable) ?? (await buildEngine(root, usable))
  } catch (error) {
    if (error?.name === 'EngineBuildFailure') refuse(error.message)
    refuseMissingDependency(error)
  }
}

process.setSourceMapsEnabled(true)
module.enableCompileCache?.(path.join(path.dirname(path.dirname(engine)), 'v8'))
try {
  const { main } = await import(pathToFileURL(engine).href)
  process.exitCode = await main(process.argv.slice(2))
} catch (error) {
  refuseMissingDependency(error)
}
