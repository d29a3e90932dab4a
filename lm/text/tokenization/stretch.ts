/** @file A stretch of text on its way from a document to tokens, and where in the document each of its units came from. */

/** Per UTF-16 unit of a stretch: the range of the document that it stands for. */
export interface Origins {
  readonly starts: Int32Array
  readonly ends: Int32Array
}

export interface Stretch {
  readonly text: string
  /** Where the stretch begins in the document; exact as long as nothing has rewritten the text. */
  readonly start: number
  /** Undefined where nobody asked for offsets. */
  readonly origins: Origins | undefined
}

export function wholeText(text: string, withOrigins: boolean): Stretch {
  if (!withOrigins) return { text, start: 0, origins: undefined }
  const starts = new Int32Array(text.length)
  const ends = new Int32Array(text.length)
  for (let at = 0; at < text.length; ) {
    // Both halves of a surrogate pair stand for the whole character.
    const width = text.codePointAt(at)! > 0xffff ? 2 : 1
    starts.fill(at, at, at + width)
    ends.fill(at + width, at, at + width)
    at += width
  }
  return { text, start: 0, origins: { starts, ends } }
}

export function slice(stretch: Stretch, from: number, to: number): Stretch {
  if (from === 0 && to === stretch.text.length) return stretch
  const { origins } = stretch
  return {
    text: stretch.text.slice(from, to),
    start: stretch.start + from,
    origins: origins && { starts: origins.starts.subarray(from, to), ends: origins.ends.subarray(from, to) },
  }
}

/** The range of the document behind units `from` to `to`; empty stretches have none. */
export function originOf({ origins }: Stretch, from: number, to: number): [start: number, end: number] {
  return [origins!.starts[from]!, origins!.ends[to - 1]!]
}

/** Collects a rewritten text together with the origin of each unit. */
export class Rewriter {
  #text = ''
  readonly #starts: number[] = []
  readonly #ends: number[] = []
  readonly #source: Stretch

  constructor(source: Stretch) {
    this.#source = source
  }

  /** Units `from` to `to` of the source, unchanged. */
  keep(from: number, to: number): void {
    this.#text += this.#source.text.slice(from, to)
    const { origins } = this.#source
    if (!origins) return
    for (let at = from; at < to; at++) {
      this.#starts.push(origins.starts[at]!)
      this.#ends.push(origins.ends[at]!)
    }
  }

  /** New text that stands for what the source's unit at `origin` stands for. */
  insert(text: string, origin: number): void {
    this.#text += text
    const { origins } = this.#source
    if (!origins) return
    for (let at = 0; at < text.length; at++) {
      this.#starts.push(origins.starts[origin] ?? 0)
      this.#ends.push(origins.ends[origin] ?? 0)
    }
  }

  finish(): Stretch {
    const source = this.#source
    return {
      text: this.#text,
      start: source.start,
      origins: source.origins && {
        starts: Int32Array.from(this.#starts),
        ends: Int32Array.from(this.#ends),
      },
    }
  }
}
