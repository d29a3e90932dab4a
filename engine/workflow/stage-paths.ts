/** @file Stages that a workflow names by their folder: `uses: ./experiments/my-stage`. */
import { posix } from 'node:path'

const usesPath = /\buses['"]?\s*:\s*['"]?(\.\/[^\s'"#,{}]+)/g

/**
 * The folders that may be named in a workflow's text, as they are written there, each once. They must be found before
 * the workflow is read, so that what reads it knows the stages: the text is searched, not parsed, and what only looks
 * like such a name does no harm. A folder outside the project is none.
 */
export function stagePathsIn(source: string): string[] {
  const written = [...source.matchAll(usesPath)].map((match) => match[1]!)
  return [...new Set(written)].filter((path) => !posix.normalize(path).startsWith('..'))
}
