/** @file A positional argument that a command cannot do without. */
import { StageFailure } from '../stage/failure.ts'

export function missingArgument(question: string): StageFailure {
  return new StageFailure({ code: 'missing-argument', message: question })
}
