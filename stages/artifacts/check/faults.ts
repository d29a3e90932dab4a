/** @file Turns failures of the language-model code into faults of an artifact. */
import { statSync } from 'node:fs'
import { relative } from 'node:path'
import type { ArtifactFault } from 'flow/artifacts'
import { isLmFailure } from '../../../lm/failure.ts'

/** After this many faults a validator stops: more would only hide the first. */
export const faultLimit = 30

/** Runs `check`; an expected failure becomes a fault whose file is relative to the artifact's `path`. A bug is thrown on. */
export function faultsOf(path: string, check: () => void): ArtifactFault[] {
  try {
    check()
    return []
  } catch (error) {
    if (!isLmFailure(error)) throw error
    const { message, hint, file, line } = error.details
    const whole = statSync(path, { throwIfNoEntry: false })?.isFile() === true ? 'the file' : 'the folder'
    const inside = file === undefined ? '' : relative(path, file)
    return [
      {
        message: message.replaceAll(`${path}/`, '').replaceAll(path, whole),
        ...(inside !== '' && !inside.startsWith('..') ? { file: inside } : {}),
        ...(line === undefined ? {} : { line }),
        ...(hint === undefined ? {} : { hint }),
      },
    ]
  }
}
