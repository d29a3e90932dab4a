/** @file Stages that a workflow names by their folder: `uses: ./experiments/my-stage`. */
import { posix } from 'node:path'

/** In double quotes, in single ones, or plain. */
const usesPath = /\buses['"]?\s*:\s*(?:"(\.\/[^"\n]+)"|'(\.\/[^'\n]+)'|(\.\/[^\s'"#,{}]+))/g

/**
 * The folders that may be named in a workflow's text, as they are written there, each once. They must be found before
 * the workflow is read, so that what reads it knows the stages: the text is searched, not parsed, and what only looks
 * like such a name does no harm. A folder outside the project is none.
 */
export function stagePathsIn(source: string): string[] {
  const written = [...source.matchAll(usesPath)].map(
    ([, double, single, plain]) => (double ?? single ?? plain)!,
  )
  return [...new Set(written)].filter((path) => !/^\.\.(\/|$)/.test(posix.normalize(path)))
}
