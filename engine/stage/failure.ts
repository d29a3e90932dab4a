/** @file An expected failure of a stage: the user's data, settings or machine, not a bug. */

export interface StageFailureDetails {
  /** Stable, kebab-case: `no-optimizer-step`. */
  readonly code: string
  readonly message: string
  readonly hint?: string
  /** File (as the stage knows it) and 1-based line of the culprit. */
  readonly file?: string
  readonly line?: number
  /** A later attempt may succeed without any change: a full disk, a busy server. */
  readonly retryable?: boolean
}

/** Thrown by a stage; shown to the user without a stack trace. Any other error is a bug and keeps its trace. */
export class StageFailure extends Error {
  readonly details: StageFailureDetails
  constructor(details: StageFailureDetails) {
    super(details.message)
    this.name = 'StageFailure'
    this.details = details
  }
}

/**
 * Whether an error is an expected failure: one that carries `details` with a code and a message. By shape, not by
 * class, so that it works across bundles and for the failures of libraries that know nothing of stages.
 */
export function isStageFailure(error: unknown): error is Error & { readonly details: StageFailureDetails } {
  if (!(error instanceof Error) || !('details' in error)) return false
  const details = error.details as Partial<StageFailureDetails> | null
  return typeof details?.code === 'string' && typeof details.message === 'string'
}
