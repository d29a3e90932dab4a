/** @file What a source is called in digests and messages: its place in the folder that it belongs to. */
import path from 'node:path'
import { flowRoot } from '../flow-root.ts'
import { pathWithin } from '../path-within.ts'

/**
 * `stages/sft/index.ts`; for a file of Flow that a project's plugin uses `flow:engine/stage/index.ts`.
 * @param root Absolute folder of the project or package that is being compiled.
 */
export function sourceName(file: string, root: string): string {
  const [prefix, base] = isFlows(file, root) ? ['flow:', flowRoot] : ['', root]
  return prefix + path.relative(base, file).split(path.sep).join('/')
}

/** Of two folders one in the other, the inner one owns what lies in both: Flow may be installed in a project. */
function isFlows(file: string, root: string): boolean {
  if (root === flowRoot || pathWithin(flowRoot, file) === undefined) return false
  return pathWithin(root, file) === undefined || pathWithin(root, flowRoot) !== undefined
}
