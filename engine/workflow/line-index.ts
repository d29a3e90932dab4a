/** @file Offsets of a text into lines and columns. */

export interface LinePosition {
  /** 1-based. */
  readonly line: number
  /** 1-based, in UTF-16 units, a tab being one: what editors jump to. */
  readonly column: number
}

export class LineIndex {
  readonly #source: string
  readonly #starts: number[] = [0]

  constructor(source: string) {
    this.#source = source
    for (let at = source.indexOf('\n'); at >= 0; at = source.indexOf('\n', at + 1)) this.#starts.push(at + 1)
  }

  locate(offset: number): LinePosition {
    let low = 0
    let high = this.#starts.length
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (this.#starts[middle]! <= offset) low = middle
      else high = middle
    }
    return { line: low + 1, column: offset - this.#starts[low]! + 1 }
  }

  /** Offset at which a line (1-based) starts. */
  startOf(line: number): number {
    return this.#starts[line - 1] ?? this.#source.length
  }

  /** A line's text without its line end. */
  text(line: number): string {
    const end = this.#starts[line] ?? this.#source.length + 1
    return this.#source.slice(this.startOf(line), end - 1).replace(/\r$/, '')
  }
}
