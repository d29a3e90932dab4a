/** @file An expected failure of the language-model code: a damaged file, an unsupported checkpoint, a bad row. */

export interface LmFailureDetails {
  /** Stable, kebab-case: `damaged-safetensors`. */
  readonly code: string
  readonly message: string
  /** How to mend it. */
  readonly hint?: string
  /** File of the culprit, as it was passed in. */
  readonly file?: string
  /** 1-based line in `file`. */
  readonly line?: number
}

/** Thrown at the borders of `lm`; stages turn it into the failure that the user sees. */
export class LmFailure extends Error {
  readonly details: LmFailureDetails
  readonly code: string
  readonly hint?: string
  readonly file?: string
  readonly line?: number

  constructor(details: LmFailureDetails) {
    super(details.message)
    this.name = 'LmFailure'
    this.details = details
    this.code = details.code
    if (details.hint !== undefined) this.hint = details.hint
    if (details.file !== undefined) this.file = details.file
    if (details.line !== undefined) this.line = details.line
  }
}

/** Works across bundles, where `instanceof` does not. */
export function isLmFailure(error: unknown): error is LmFailure {
  return error instanceof Error && error.name === 'LmFailure' && 'details' in error
}
