/** @file Shows the faults of a workflow or a command line: to a person on stderr, or as one JSON line on stdout. */
import type { Diagnostic } from '../diagnostic.ts'
import { LineIndex } from '../workflow/line-index.ts'
import { renderDiagnostics } from '../workflow/render-diagnostic.ts'

export interface DiagnosticReport {
  readonly json: boolean
  /** Text of a file named by a diagnostic, where it is known. */
  readonly sourceOf?: (file: string) => string | undefined
}

export function reportDiagnostics(diagnostics: readonly Diagnostic[], report: DiagnosticReport): void {
  const sourceOf = report.sourceOf ?? (() => undefined)
  if (report.json) {
    const located = withPositions(diagnostics, sourceOf)
    process.stdout.write(`${JSON.stringify({ type: 'invalid', diagnostics: located })}\n`)
    return
  }
  process.stderr.write(
    `${renderDiagnostics(diagnostics, sourceOf, { color: wantsColor(process.stderr) }).trimEnd()}\n`,
  )
}

export function wantsColor(stream: { readonly isTTY?: boolean }): boolean {
  return stream.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'
}

/** Each with line and column in its file, where that is known. */
export function withPositions(
  diagnostics: readonly Diagnostic[],
  sourceOf: (file: string) => string | undefined,
): (Diagnostic & { readonly line?: number; readonly column?: number })[] {
  return diagnostics.map((diagnostic) => ({ ...diagnostic, ...position(diagnostic, sourceOf) }))
}

function position(
  { file, range }: Diagnostic,
  sourceOf: (file: string) => string | undefined,
): { line: number; column: number } | undefined {
  const source = file === undefined ? undefined : sourceOf(file)
  return source === undefined || range === undefined ? undefined : new LineIndex(source).locate(range.start)
}
