/** @file Collects the faults of one workflow, and puts them into the order in which they are shown. */
import type { Diagnostic } from '../diagnostic.ts'
import type { Spot } from './yaml-value.ts'

/** Whatever else is said about a value with one of these faults follows from it, and is not worth saying. */
const DECISIVE: ReadonlySet<string> = new Set([
  'bad-number',
  'merge-key',
  'misplaced-reference',
  'too-many-aliases',
  'unknown-alias',
])

/** A part of a file that YAML could not read. */
export interface BrokenSpan {
  readonly file: string
  readonly start: number
  readonly end: number
}

export class Faults {
  readonly #all: Diagnostic[] = []

  add(spot: Spot, code: string, message: string, hint?: string): void {
    this.#all.push({
      code,
      severity: 'error',
      message,
      file: spot.file,
      ...(spot.range !== undefined && { range: spot.range }),
      ...(hint !== undefined && { hint }),
    })
  }

  get count(): number {
    return this.#all.length
  }

  /**
   * Each fault once, by file (as they come) and position; those without a position (command line) last. Where `broken`
   * spans are given (entries in which YAML itself failed), nothing but syntax is reported from within them.
   */
  sorted(broken: readonly BrokenSpan[] = []): Diagnostic[] {
    const decided = new Set<string>()
    for (const fault of this.#all) if (DECISIVE.has(fault.code) && fault.range) decided.add(spanKey(fault))
    const seen = new Set<string>()
    const kept = this.#all.filter((fault) => {
      if (!DECISIVE.has(fault.code) && fault.range && decided.has(spanKey(fault))) return false
      if (fault.code !== 'yaml-syntax' && broken.some((span) => isWithin(fault, span))) return false
      const identity = `${spanKey(fault)} ${fault.code} ${fault.message}`
      return !seen.has(identity) && seen.add(identity)
    })
    const files = new Map<string | undefined, number>()
    for (const fault of kept) {
      if (files.has(fault.file)) continue
      files.set(fault.file, fault.range === undefined ? Number.MAX_SAFE_INTEGER : files.size)
    }
    const rank = ({ file }: Diagnostic) => files.get(file) ?? 0
    return kept.sort((a, b) => rank(a) - rank(b) || startOf(a) - startOf(b) || endOf(a) - endOf(b))
  }
}

function spanKey(fault: Diagnostic): string {
  return `${fault.file} ${fault.range?.start} ${fault.range?.end}`
}

function isWithin(fault: Diagnostic, span: BrokenSpan): boolean {
  return (
    fault.range !== undefined &&
    fault.file === span.file &&
    fault.range.start >= span.start &&
    fault.range.start < span.end
  )
}

// Large and finite: the difference of two infinities is not a number.
function startOf(fault: Diagnostic): number {
  return fault.range?.start ?? Number.MAX_SAFE_INTEGER
}

function endOf(fault: Diagnostic): number {
  return fault.range?.end ?? Number.MAX_SAFE_INTEGER
}
