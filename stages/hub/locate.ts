/** @file What an option of a command names: a file or folder of the project, or a repository of the hub. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { StageFailure } from 'flow/stage'
import type { FileSelection } from '../../lm/hub/repository.ts'
import { hubSource } from './remote-source.ts'

export interface Located {
  /** The project's root folder, absolute. */
  readonly project: string
  /** Name of the option, without dashes. */
  readonly option: string
  readonly text: string
  readonly selection: FileSelection
  readonly signal: AbortSignal
}

/** Absolute path; what is not on this machine is downloaded, and told on stderr. As for a workflow's inputs, a path goes first. */
export async function locate({ project, option, text, selection, signal }: Located): Promise<string> {
  const path = resolve(project, text)
  if (existsSync(path)) return path
  const { scheme, pattern, find, fetch } = hubSource(selection)
  const hasScheme = text.startsWith(scheme)
  const [first = ''] = text.split('/')
  const isName = new RegExp(`^(?:${pattern})$`).test(text) && !existsSync(resolve(project, first))
  if (!hasScheme && !isName) {
    throw new StageFailure({
      code: 'missing-folder',
      message: `there is no folder ${text}`,
      hint: `--${option} FOLDER names it, as seen from ${project}; one of the hub is written hf://org/name`,
    })
  }
  const name = hasScheme ? text.slice(scheme.length) : text
  const found = await find(name)
  if (found !== undefined) return found
  const { isTTY } = process.stderr
  if (!isTTY) process.stderr.write(`downloading ${name}\n`)
  const fetched = await fetch(name, {
    signal,
    progress: ({ step, total, note }) => {
      if (isTTY) process.stderr.write(`\r${note} ${step}/${total} MB\u001b[K`)
    },
  })
  if (isTTY) process.stderr.write('\n')
  return fetched
}
