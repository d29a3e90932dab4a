/** @file A thrown error as the failure of a node: expected ones as they are, bugs with their trace. */
import { isStageFailure, type StageFailureDetails } from '../stage/failure.ts'
import { machineFailure } from '../stage/machine-failure.ts'

export type NodeFailure = StageFailureDetails & { readonly stack?: string }

export function failureDetails(error: unknown): NodeFailure {
  if (isStageFailure(error)) return error.details
  const refused = machineFailure(error)
  if (refused !== undefined) return refused
  if (!(error instanceof Error)) return { code: 'stage-crashed', message: String(error) }
  return {
    code: 'stage-crashed',
    message: error.message,
    ...(error.stack === undefined ? {} : { stack: error.stack }),
  }
}
