/** @file Diagnostics as text: position, source line, a squiggle under the very span, and a hint. */
import type { Diagnostic } from '../diagnostic.ts'
import { displayWidth } from './display-width.ts'
import { LineIndex } from './line-index.ts'

const TAB_CELLS = 4
/** Longer lines are shown in part, around the span. In UTF-16 units. */
const MAX_LINE_LENGTH = 160

const COLORS = { bold: 1, red: 31, yellow: 33, cyan: 36, dim: 2 } as const
type Paint = (color: keyof typeof COLORS, text: string) => string

/**
 * One block a diagnostic, blocks parted by an empty line, ending in a line end; '' for none.
 * `sourceOf` gives a file's text as it was when the diagnostics were made; without it no source line is shown.
 */
export function renderDiagnostics(
  diagnostics: readonly Diagnostic[],
  sourceOf: (file: string) => string | undefined,
  { color }: { readonly color: boolean },
): string {
  const paint: Paint = (name, text) => (color ? `\x1b[${COLORS[name]}m${text}\x1b[0m` : text)
  const indexes = new Map<string, LineIndex | undefined>()
  const linesOf = (file: string): LineIndex | undefined => {
    if (!indexes.has(file)) {
      const source = sourceOf(file)
      indexes.set(file, source === undefined ? undefined : new LineIndex(source))
    }
    return indexes.get(file)
  }
  return diagnostics.map((diagnostic) => `${renderOne(diagnostic, linesOf, paint)}\n`).join('\n')
}

function renderOne(
  { code, severity, message, file, range, hint }: Diagnostic,
  linesOf: (file: string) => LineIndex | undefined,
  paint: Paint,
): string {
  const tint = severity === 'error' ? 'red' : 'yellow'
  const label = `${paint(tint, `${severity}[${code}]`)}: ${paint('bold', message)}`
  const lines = file === undefined || range === undefined ? undefined : linesOf(file)
  if (lines === undefined || range === undefined) {
    const head = file === undefined ? label : `${file}: ${label}`
    return hint === undefined ? head : `${head}\n  ${paint('cyan', 'hint')}: ${hint}`
  }
  const { line, column } = lines.locate(range.start)
  const { text, start, end } = excerpt(lines.text(line), column - 1, column - 1 + range.end - range.start)
  const before = expand(text.slice(0, start))
  const marked = expand(text.slice(start, end), before.cells)
  const after = expand(text.slice(end), before.cells + marked.cells)
  const gutter = ` ${line} `
  const bar = paint('dim', '|')
  const squiggle = marked.cells > 1 ? '~'.repeat(marked.cells) : '^'
  const block = [
    `${file}:${line}:${column}: ${label}`,
    `${paint('dim', gutter)}${bar} ${before.text}${marked.text}${after.text}`.trimEnd(),
    `${' '.repeat(gutter.length)}${bar} ${' '.repeat(before.cells)}${paint(tint, squiggle)}`,
  ]
  if (hint !== undefined) block.push(`${' '.repeat(gutter.length)}${paint('cyan', 'hint')}: ${hint}`)
  return block.join('\n')
}

/** The part of a line to show, and the span in it, cut at the line's end. */
function excerpt(line: string, start: number, end: number): { text: string; start: number; end: number } {
  const cut = Math.min(end, line.length)
  if (line.length <= MAX_LINE_LENGTH) return { text: line, start, end: Math.max(start, cut) }
  const first = Math.max(0, Math.min(start - MAX_LINE_LENGTH / 4, line.length - MAX_LINE_LENGTH))
  const last = first + MAX_LINE_LENGTH
  const head = first > 0 ? '…' : ''
  const text = head + line.slice(first, last) + (last < line.length ? '…' : '')
  const shift = head.length - first
  return { text, start: start + shift, end: Math.max(start, Math.min(cut, last)) + shift }
}

/** Text safe to print, tabs as blanks up to the next stop, with the cells it takes. */
function expand(text: string, startCell = 0): { text: string; cells: number } {
  let shown = ''
  let cells = 0
  for (const part of text.split(/(\t)/)) {
    if (part === '\t') {
      const blanks = TAB_CELLS - ((startCell + cells) % TAB_CELLS)
      shown += ' '.repeat(blanks)
      cells += blanks
    } else {
      // Control characters would move the terminal's cursor.
      const safe = part.replace(/[\u0000-\u001f\u007f-\u009f]/g, '\ufffd')
      shown += safe
      cells += displayWidth(safe)
    }
  }
  return { text: shown, cells }
}
