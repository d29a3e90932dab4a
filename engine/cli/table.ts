/** @file Text tables: columns as wide as their widest cell, two spaces between them. */
import { cutEnd, cutMiddle } from '../terminal/cut-text.ts'
import { displayWidth } from '../workflow/display-width.ts'

/** Of the terminal's width, what the first column may take: names may be long, and the last column tells most. */
const NAMES_SHARE = 0.4

export interface TableOptions {
  /** Cells of the terminal: longer lines are cut. Without it no line is. */
  readonly width?: number
  /** Colours a cell; `row` counts from 0 below the heading, which is -1. */
  readonly paint?: (text: string, row: number, column: number) => string
}

export function tableText(
  heading: readonly string[],
  rows: readonly (readonly string[])[],
  { width, paint = (text) => text }: TableOptions = {},
): string {
  const all = [heading, ...rows]
  const widths = heading.map((_, column) =>
    all.reduce((most, row) => Math.max(most, displayWidth(row[column] ?? '')), 0),
  )
  if (width !== undefined && total(widths) > width) {
    widths[0] = Math.min(widths[0] ?? 0, Math.max(Math.floor(width * NAMES_SHARE), 12))
    const last = widths.length - 1
    widths[last] = Math.max(8, width - total(widths.slice(0, last)) - 2)
  }
  const line = (row: readonly string[], at: number) => {
    const last = row.findLastIndex((cell) => cell !== '')
    return row.slice(0, last + 1).map((cell, column) => {
      const cells = widths[column] ?? 0
      const cut = column === 0 ? cutMiddle(cell, cells) : cutEnd(cell, cells)
      const padding = column === last ? '' : ' '.repeat(Math.max(0, cells - displayWidth(cut)))
      return `${paint(cut, at, column)}${padding}`
    })
  }
  return all.map((row, at) => `${line(row, at - 1).join('  ')}\n`).join('')
}

function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + 2 * Math.max(0, widths.length - 1)
}

/** Of a stream that leads to a terminal. */
export function terminalWidth(stream: { readonly isTTY?: boolean; readonly columns?: number }): {
  readonly width?: number
} {
  return stream.isTTY === true && stream.columns ? { width: stream.columns } : {}
}
