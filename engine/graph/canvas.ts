/** @file A grid of terminal cells on which lines meet, branch and cross. */
import { displayWidth } from '../workflow/display-width.ts'

const UP = 1
const RIGHT = 2
const DOWN = 4
const LEFT = 8

/** By the directions in which a line leaves the cell. */
const GLYPHS = ' ╵╶╰╷│╭├╴╯─┴╮┤┬┼'

interface Cell {
  /** Directions, by the line that takes them: two lines may cross in a cell. */
  readonly lines: Map<string, number>
  /** Goes before lines. '' where a wide character before it takes this cell, too. */
  text?: string
  style?: string
}

export class Canvas {
  readonly #rows: (Cell | undefined)[][] = []

  /** From one column to another, ends included. `line` is what it belongs to: equal lines join, others cross. */
  horizontal(line: string, row: number, from: number, to: number): void {
    const [left, right] = [Math.min(from, to), Math.max(from, to)]
    for (let column = left; column <= right; column++) {
      this.#add(line, row, column, (column > left ? LEFT : 0) | (column < right ? RIGHT : 0))
    }
  }

  vertical(line: string, column: number, from: number, to: number): void {
    for (let row = from; row <= to; row++) {
      this.#add(line, row, column, (row > from ? UP : 0) | (row < to ? DOWN : 0))
    }
  }

  write(row: number, column: number, text: string, style?: string): void {
    let at = column
    for (const { segment } of segmenter.segment(text)) {
      const width = Math.max(1, displayWidth(segment))
      for (let part = 0; part < width; part++) {
        const cell = this.#cell(row, at + part)
        cell.text = part === 0 ? segment : ''
        if (style !== undefined) cell.style = style
      }
      at += width
    }
  }

  /** `paint` colours a run of cells of one style; lines have the style `line`. */
  toText(paint: (style: string | undefined, text: string) => string): string {
    return Array.from(this.#rows, (row) => (row === undefined ? '' : rowText(row, paint)))
      .map((text) => `${text}\n`)
      .join('')
  }

  #add(line: string, row: number, column: number, directions: number): void {
    const { lines } = this.#cell(row, column)
    lines.set(line, (lines.get(line) ?? 0) | directions)
  }

  #cell(row: number, column: number): Cell {
    this.#rows[row] ??= []
    const cells = this.#rows[row]
    cells[column] ??= { lines: new Map() }
    return cells[column]
  }
}

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

function rowText(
  row: readonly (Cell | undefined)[],
  paint: (style: string | undefined, text: string) => string,
): string {
  let shown = ''
  let run = { style: undefined as string | undefined, text: '' }
  for (const cell of Array.from(row)) {
    const text = cell === undefined ? ' ' : (cell.text ?? glyphOf(cell))
    const style = text === ' ' ? run.style : (cell?.style ?? (cell?.text === undefined ? 'line' : undefined))
    if (style !== run.style) {
      shown += paint(run.style, run.text)
      run = { style, text: '' }
    }
    run.text += text
  }
  return shown + paint(run.style, run.text.trimEnd())
}

/** Where two lines cross, the upright one goes over the other. */
function glyphOf({ lines }: Cell): string {
  const all = [...lines.values()]
  const upright = all.find((directions) => (directions & (UP | DOWN)) !== 0)
  return GLYPHS[(all.length > 1 ? upright : all[0]) ?? 0]!
}
