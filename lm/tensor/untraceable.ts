/** @file What cannot be part of a trace, and where it stands in the user's own code. */
import { dirname, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LmFailure } from '../failure.ts'

export function untraceable(message: string, hint: string): LmFailure {
  const site = callSite()
  return new LmFailure({
    code: 'untraceable',
    message: site === undefined ? `${message}: ${hint}` : `${message} (${site}): ${hint}`,
  })
}

interface Frame {
  readonly path: string
  readonly line: string
}

/** `file:line` of the innermost caller outside of this folder and of packages; undefined where there is none. */
function callSite(): string | undefined {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = Number.POSITIVE_INFINITY
  const frames = (new Error().stack ?? '').split('\n').flatMap(read)
  Error.stackTraceLimit = stackTraceLimit
  const here = dirname(frames[0]?.path ?? '') + sep
  const caller = frames.find(({ path }) => !path.startsWith(here) && !/node_modules|tfjs-core/.test(path))
  if (caller === undefined) return undefined
  const near = relative(process.cwd(), caller.path)
  return `${near.startsWith('..') ? caller.path : near}:${caller.line}`
}

/** `at name (path:line:column)` or `at path:line:column`; Node's own modules are left out. */
function read(text: string): Frame[] {
  const [, place, line] = /(?:\(|at )(?:async )?([^()]+):(\d+):\d+\)?$/.exec(text) ?? []
  if (place === undefined || place.startsWith('node:')) return []
  return [{ path: place.startsWith('file:') ? fileURLToPath(place) : place, line: line! }]
}
