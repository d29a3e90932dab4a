/** @file Turns failures of the language-model code into faults of an artifact. */
import { relative } from 'node:path'
import type { ArtifactFault } from 'flow/artifacts'
import { isLmFailure } from '../../../lm/failure.ts'

/** After this many faults a validator stops: more would only hide the first. */
export const faultLimit = 30

/** Runs `check`; an expected failure becomes a fault whose file is relative to `folder`. A bug is thrown on. */
export function faultsOf(folder: string, check: () => void): ArtifactFault[] {
  try {
    check()
    return []
  } catch (error) {
    if (!isLmFailure(error)) throw error
    const { message, hint, file, line } = error.details
    const inside = file === undefined ? '' : relative(folder, file)
    return [
      {
        message: message.replaceAll(`${folder}/`, '').replaceAll(folder, 'the folder'),
        ...(inside !== '' && !inside.startsWith('..') ? { file: inside } : {}),
        ...(line === undefined ? {} : { line }),
        ...(hint === undefined ? {} : { hint }),
      },
    ]
  }
}
