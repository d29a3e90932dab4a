/** @file Stages and workflows that a workflow names by their path: `uses: ./experiments/my-stage`, `uses: ./round.yaml`. */
import { posix } from 'node:path'

/** In double quotes, in single ones, or plain. */
const usesPath = /\buses['"]?\s*:\s*(?:"(\.\.?\/[^"\n]+)"|'(\.\.?\/[^'\n]+)'|(\.\.?\/[^\s'"#,{}]+))/g

/**
 * The folders that may be named in a workflow's text, as they are written there, each once. They must be found before
 * the workflow is read, so that what reads it knows the stages: the text is searched, not parsed, and what only looks
 * like such a name does no harm. A folder outside the project is none.
 */
export function stagePathsIn(source: string): string[] {
  return pathsIn(source).filter((path) => !isWorkflowPath(path) && !/^\.\.(\/|$)/.test(posix.normalize(path)))
}

/** The workflow files that may be named in a workflow's text, as they are written there: relative to its folder. */
export function workflowPathsIn(source: string): string[] {
  return pathsIn(source).filter(isWorkflowPath)
}

/** Whether `uses` names a workflow file by it, and no stage. */
export function isWorkflowPath(path: string): boolean {
  return /^\.\.?\/.*\.ya?ml$/.test(path)
}

function pathsIn(source: string): string[] {
  const written = [...source.matchAll(usesPath)].map(
    ([, double, single, plain]) => (double ?? single ?? plain)!,
  )
  return [...new Set(written)]
}

/** A path that is written in `from`, as seen from the project. */
export function besides(from: string, path: string): string {
  return posix.normalize(posix.join(posix.dirname(from), path))
}
