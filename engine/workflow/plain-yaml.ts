/**
 * @file Reads the plain form of YAML in which large workflows are written, in one pass over the text: some twenty times
 * as fast as a reader of all of YAML. It reports nothing: what it does not know, and whatever has a fault, it leaves to
 * that one. What it does read has the values and the positions that it would have there.
 *
 * It knows block mappings and lists; flow mappings and lists of one line; scalars of one line, plain or in quotes; and
 * comments that stand behind a value or as far in as the line after them.
 */
import { type MaskedText, restoreTemplates, type Template } from './template.ts'
import type { Spot, YamlEntry, YamlList, YamlMap, YamlScalar, YamlValue } from './yaml-value.ts'

/** Tabs, carriage returns, blanks other than the space, and characters beyond the basic plane. */
const UNUSUAL = /[^\n\x20-\x7e\xa1-\u167f\u1681-\u1fff\u2030-\u205e\u2070-\u2fff\u3001-\ud7ff\ue000-\uf8ff]/
const HEADER = /(?: *(?:#[^\n]*)?\n)*/y
const KEY = /[A-Za-z_][A-Za-z0-9_./-]{0,127}(?=:(?:[ \n]|$))/y
const ITEM = /- +(?=[^ \n])/y
const BLOCK_PLAIN = /(?:[^ \n,[\]{}#&*!|>'"%@`?:-]|-(?=[^ \n]))(?:[^ \n:#]|#|:(?=[^ \n])| +(?=[^ \n:#]))*/y
const FLOW_PLAIN =
  /(?:[^ \n,[\]{}#&*!|>'"%@`?:-]|-(?=[^ \n,[\]{}]))(?:[^ \n:#,[\]{}]|#|:(?=[^ \n,[\]{}])| +(?=[^ \n:#,[\]{}]))*/y
const COMMENT = /#[^\n]*/y
const TRAILING_COMMENT = / +#[^\n]*/y
/** Escapes are those that JSON has too. */
const QUOTED = /"(?:[^"\\\n]|\\["\\/bfnrt])*"|'[^'\n]*'(?!')/y
/** Plain text that may be no string. */
const MAYBE_TYPED = /^(?:[-+.0-9]|~$|(?:true|false|null)$)/i
const NUMBER = /^-?(?:0|[1-9][0-9]{0,14})(?:\.[0-9]{1,15})?(?:[eE][-+]?[0-9]{1,2})?$/
/** All that YAML takes for a number, and more. */
const NUMBER_LIKE = /^[-+]?(?:[0-9.]+(?:e[-+]?[0-9]*)?|0[xo][0-9a-f]*|\.(?:inf|nan))$/i
const WORDS: Readonly<Record<string, null | boolean>> = { true: true, false: false, null: null, '~': null }
/** Well within what may be nested. */
const MAX_DEPTH = 32

const NEWLINE = 0x0a
const SPACE = 0x20
const noTemplates: readonly Template[] = []

/** Undefined where the text is to be read by a reader of all of YAML. */
export function readPlainYaml(
  text: MaskedText,
  spotOf: (start: number, end: number) => Spot,
): YamlMap | undefined {
  if (UNUSUAL.test(text.masked)) return undefined
  try {
    return new PlainReader(text, spotOf).document()
  } catch (error) {
    if (error instanceof NotPlain) return undefined
    throw error
  }
}

class NotPlain extends Error {}

class PlainReader {
  readonly #text: MaskedText
  readonly #masked: string
  readonly #spotOf: (start: number, end: number) => Spot
  #at = 0
  #lineStart = 0
  /** Where in its line the block's next part begins; -1 at the end of the text. */
  #column = 0
  /** Of the last key with its colon, or value, that was read. */
  #end = 0
  /** The first template that was not passed yet. */
  #nextSpan = 0

  constructor(text: MaskedText, spotOf: (start: number, end: number) => Spot) {
    this.#text = text
    this.#masked = text.masked
    this.#spotOf = spotOf
  }

  document(): YamlMap {
    this.#skip(HEADER)
    this.#lineStart = this.#at
    const root = this.#blockMap(0)
    // A line that is no part of any block has ended them all.
    if (this.#column >= 0) throw new NotPlain()
    return root
  }

  /** From its first key on. Every block ends before what is its own no more. */
  #blockMap(depth: number): YamlMap {
    const column = this.#column
    const start = this.#at
    const entries = new Map<string, YamlEntry>()
    do {
      const { key, keySpot } = this.#key(entries)
      entries.set(key, { key, keySpot, value: this.#blockValue(column, depth) })
    } while (this.#column === column)
    return { kind: 'map', entries, spot: this.#spotOf(start, this.#end) }
  }

  /** Of a key at `column`. */
  #blockValue(column: number, depth: number): YamlValue {
    const at = this.#at
    if (!this.#isAtLineEnd()) return this.#lineValue(depth)
    const commented = this.#nextLine()
    if (this.#column >= column && this.#skip(ITEM)) return this.#blockList(deeper(depth))
    if (this.#column > column) return this.#blockMap(deeper(depth))
    if (commented) throw new NotPlain()
    return this.#nothing(at)
  }

  /** From behind its first dash on. */
  #blockList(depth: number): YamlList {
    const column = this.#column
    const start = this.#lineStart + column
    const items: YamlValue[] = []
    do {
      this.#column = this.#at - this.#lineStart
      items.push(this.#isAt(KEY) ? this.#blockMap(deeper(depth)) : this.#lineValue(depth))
    } while (this.#column === column && this.#skip(ITEM))
    return { kind: 'list', items, spot: this.#spotOf(start, this.#end) }
  }

  /** With which its line ends. */
  #lineValue(depth: number): YamlValue {
    const value = this.#value(BLOCK_PLAIN, depth)
    this.#end = this.#at
    // As YAML has it, a block ends with the comment that follows its last value.
    if (this.#skip(TRAILING_COMMENT)) this.#end = this.#masked.slice(0, this.#at).trimEnd().length
    this.#skipSpaces()
    if (!this.#isAtLineEnd()) throw new NotPlain()
    this.#nextLine()
    return value
  }

  #value(plain: RegExp, depth: number): YamlValue {
    const start = this.#at
    switch (this.#masked[start]) {
      case '{':
        return this.#flowMap(deeper(depth))
      case '[':
        return this.#flowList(deeper(depth))
      case '"':
        this.#read(QUOTED)
        return this.#string(start + 1, this.#at - 1, this.#spotOf(start, this.#at), unescaped)
      case "'":
        this.#read(QUOTED)
        return this.#string(start + 1, this.#at - 1, this.#spotOf(start, this.#at))
      default:
        this.#read(plain)
        return this.#plain(start)
    }
  }

  #flowMap(depth: number): YamlMap {
    const start = this.#at
    const entries = new Map<string, YamlEntry>()
    this.#flowItems('}', () => {
      const { key, keySpot } = this.#key(entries)
      entries.set(key, { key, keySpot, value: this.#value(FLOW_PLAIN, depth) })
    })
    return { kind: 'map', entries, spot: this.#spotOf(start, this.#at) }
  }

  #flowList(depth: number): YamlList {
    const start = this.#at
    const items: YamlValue[] = []
    this.#flowItems(']', () => items.push(this.#value(FLOW_PLAIN, depth)))
    return { kind: 'list', items, spot: this.#spotOf(start, this.#at) }
  }

  #flowItems(closing: string, readItem: () => void): void {
    this.#at += 1
    this.#skipSpaces()
    if (this.#masked[this.#at] !== closing) {
      for (;;) {
        readItem()
        this.#skipSpaces()
        if (this.#masked[this.#at] !== ',') break
        this.#at += 1
        this.#skipSpaces()
      }
    }
    if (this.#masked[this.#at] !== closing) throw new NotPlain()
    this.#at += 1
  }

  /** With its colon and the spaces behind it. */
  #key(entries: ReadonlyMap<string, YamlEntry>): { readonly key: string; readonly keySpot: Spot } {
    const start = this.#at
    this.#read(KEY)
    const key = this.#text.source.slice(start, this.#at)
    if (entries.has(key)) throw new NotPlain()
    const keySpot = this.#spotOf(start, this.#at)
    this.#at += 1
    this.#end = this.#at
    this.#skipSpaces()
    return { key, keySpot }
  }

  /** That ends here. */
  #plain(start: number): YamlScalar {
    const spot = this.#spotOf(start, this.#at)
    const text = this.#masked.slice(start, this.#at)
    if (!MAYBE_TYPED.test(text)) return this.#string(start, this.#at, spot)
    if (Object.hasOwn(WORDS, text)) return { ...this.#nothing(start), value: WORDS[text] ?? null, spot }
    if (NUMBER.test(text)) {
      const value = Number(text)
      return { kind: 'scalar', value: value === 0 ? 0 : value, templates: noTemplates, spot }
    }
    if (NUMBER_LIKE.test(text) || Object.hasOwn(WORDS, text.toLowerCase())) throw new NotPlain()
    return this.#string(start, this.#at, spot)
  }

  #string(start: number, end: number, spot: Spot, decode = asWritten): YamlScalar {
    const { source, spans } = this.#text
    while ((spans[this.#nextSpan]?.start ?? end) < start) this.#nextSpan += 1
    const first = this.#nextSpan
    while ((spans[this.#nextSpan]?.start ?? end) < end) this.#nextSpan += 1
    if (first === this.#nextSpan) {
      return { kind: 'scalar', value: decode(source.slice(start, end)), templates: noTemplates, spot }
    }
    const within = spans.slice(first, this.#nextSpan)
    const masked = decode(this.#masked.slice(start, end))
    return { kind: 'scalar', ...restoreTemplates(masked, within, this.#text, this.#spotOf), spot }
  }

  #nothing(at: number): YamlScalar {
    return { kind: 'scalar', value: null, templates: noTemplates, spot: this.#spotOf(at, at) }
  }

  #isAt(form: RegExp): boolean {
    form.lastIndex = this.#at
    return form.test(this.#masked)
  }

  #skip(form: RegExp): boolean {
    if (!this.#isAt(form)) return false
    this.#at = form.lastIndex
    return true
  }

  #read(form: RegExp): void {
    if (!this.#skip(form)) throw new NotPlain()
  }

  #skipSpaces(): void {
    while (this.#masked.charCodeAt(this.#at) === SPACE) this.#at += 1
  }

  #isAtLineEnd(): boolean {
    return this.#at >= this.#masked.length || this.#masked.charCodeAt(this.#at) === NEWLINE
  }

  /**
   * From the end of a line to the first character of the next one that is not empty. Comments on the way are to begin where
   * that one does: others may count as parts of a block. Whether there were any.
   */
  #nextLine(): boolean {
    let commentColumn: number | undefined
    while (this.#masked.charCodeAt(this.#at) === NEWLINE) {
      this.#at += 1
      this.#lineStart = this.#at
      this.#skipSpaces()
      const column = this.#at - this.#lineStart
      if (!this.#skip(COMMENT)) continue
      if (column !== (commentColumn ?? column)) throw new NotPlain()
      commentColumn = column
    }
    this.#column = this.#at < this.#masked.length ? this.#at - this.#lineStart : -1
    if (commentColumn !== undefined && commentColumn !== Math.max(0, this.#column)) throw new NotPlain()
    return commentColumn !== undefined
  }
}

function asWritten(text: string): string {
  return text
}

function unescaped(text: string): string {
  return text.includes('\\') ? JSON.parse(`"${text}"`) : text
}

function deeper(depth: number): number {
  if (depth === MAX_DEPTH) throw new NotPlain()
  return depth + 1
}
