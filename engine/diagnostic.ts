/**
 * @file A fault of the user's input: what is wrong, where, and how to mend it. Diagnostics are values; they are
 * collected and shown together, never thrown one at a time.
 */

/** Half-open range of UTF-16 offsets into a source text. */
export interface SourceRange {
  readonly start: number
  readonly end: number
}

export interface Diagnostic {
  /** Stable, kebab-case: `unknown-stage`, `type-mismatch`, ... Documented in `workflows/README.md`. */
  readonly code: string
  readonly severity: 'error' | 'warning'
  /** One sentence, no full stop, no position. */
  readonly message: string
  /** Path as the user wrote it (project-relative). */
  readonly file?: string
  /** Span in `file`'s text that the squiggle underlines. */
  readonly range?: SourceRange
  /** How to mend it: "did you mean `sft`?" */
  readonly hint?: string
}

export function hasErrors(diagnostics: readonly Diagnostic[]): boolean {
  return diagnostics.some((diagnostic) => diagnostic.severity === 'error')
}
