/**
 * @file Stacks that name places in a stage's sources. `--enable-source-maps` would have Node read and parse the map of each
 * module that it loads, which takes a third of the time that loading takes; here a map is read when somebody looks at
 * a stack with its module in it.
 */
import { readFileSync } from 'node:fs'
import { SourceMap } from 'node:module'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

/** By the compiled module; undefined where there is none to be read. */
const maps = new Map<string, SourceMap | undefined>()

/** @param folder Absolute path of the folder below which compiled modules lie, each with its map beside it. */
export function mapStacks(folder: string): void {
  Error.prepareStackTrace = (error, sites) => {
    const lines = sites.map((site) => `\n    at ${siteText(site, folder)}`)
    return heading(error) + lines.join('')
  }
}

/** As Node's own, which gives its errors' codes. */
function heading(error: Error & { readonly code?: unknown }): string {
  const { code } = error
  if (typeof code === 'string' && code.startsWith('ERR_')) return `${error.name} [${code}]: ${error.message}`
  return Error.prototype.toString.call(error)
}

function siteText(site: NodeJS.CallSite, folder: string): string {
  const text = String(site)
  const url = site.getFileName()
  if (url?.startsWith('file:') !== true) return text
  const module = fileURLToPath(url)
  if (!module.startsWith(folder + path.sep)) return text
  const [line, column] = [site.getLineNumber() ?? 1, site.getColumnNumber() ?? 1]
  const found = mapOf(module)?.findEntry(line - 1, column - 1)
  if (found === undefined || !('originalSource' in found)) return text
  const source = path.resolve(path.dirname(module), found.originalSource)
  return text.replace(
    `${url}:${line}:${column}`,
    `${source}:${found.originalLine + 1}:${found.originalColumn + 1}`,
  )
}

function mapOf(module: string): SourceMap | undefined {
  if (!maps.has(module)) maps.set(module, readMap(`${module}.map`))
  return maps.get(module)
}

function readMap(file: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(file, 'utf8')))
  } catch {
    // The stack names the compiled module.
    return undefined
  }
}
