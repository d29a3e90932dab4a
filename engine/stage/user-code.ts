/**
 * @file Public surface for stages that run code of the user's: a TypeScript or JavaScript file that came in through
 * an input port, compiled by the loader that compiles stages. `import { importUserCode } from 'flow/code'`.
 */
import fs from 'node:fs'
import { flowRoot } from '../flow-root.ts'
import { compile, importModule, rootOf } from './compile.ts'
import { isStageFailure, StageFailure } from './failure.ts'
import { sourceName } from './source-name.ts'

export interface UserCode {
  /** Absolute real path of the source. */
  readonly file: string
  readonly exports: Readonly<Record<string, unknown>>
  /** `name@version` of each package that it imports. They are no part of any key: only the file's content is. */
  readonly packages: readonly string[]
}

/**
 * @throws StageFailure `compile-error`; `code-failed` where its top level throws; `not-one-file` where it imports
 * files beside it, which no key would cover
 */
export async function importUserCode(given: string): Promise<UserCode> {
  const file = fs.realpathSync(given)
  const root = rootOf(file)
  const module = await compile(file, root)
  requireOneFile(file, root, Object.keys(module.sources))
  const exports = await importModule(module).catch((error: unknown) => {
    throw userCodeFailure(file, error)
  })
  return { file, exports, packages: module.packages }
}

/** What user code throws, as a failure with the line of `file` that it came from. A `StageFailure` stays as it is. */
export function userCodeFailure(file: string, error: unknown): Error {
  if (isStageFailure(error)) return error
  const thrown = error instanceof Error ? `${error.name}: ${error.message}` : `thrown: ${String(error)}`
  return new StageFailure({ code: 'code-failed', message: thrown, file, ...lineIn(file, error) })
}

function requireOneFile(file: string, root: string, sources: readonly string[]): void {
  // Flow's own sources carry a prefix, unless the file belongs to Flow itself; a project may have an `lm/`, too.
  const flows = root === flowRoot ? /^(engine|lm)\// : /^flow:(engine|lm)\//
  const own = sourceName(file, root)
  const others = sources.filter((source) => source !== own && !flows.test(source))
  if (others.length === 0) return
  throw new StageFailure({
    code: 'not-one-file',
    message: `imports ${others.join(', ')}: only the file itself tells when its results are out of date`,
    hint: 'put everything into the one file; packages and `flow/lm/...` may be imported',
    file,
  })
}

/** 1-based. Stacks name sources where source maps are enabled, as they are in a stage's process. */
function lineIn(file: string, error: unknown): { line?: number } {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  const frame = stack.split('\n').find((line) => line.includes(`${file}:`))
  const line = frame?.slice(frame.indexOf(`${file}:`) + file.length + 1).match(/^\d+/)?.[0]
  return line === undefined ? {} : { line: Number(line) }
}
