/**
 * @file Rows of a data file: the elements of a JSON array, or the lines of a JSONL file, each with its line. What the
 * file holds decides, not its name. A byte order mark, CRLF and blank lines are harmless; anything else that is not a
 * JSON object is a fault of its line.
 */
import { isUtf8 } from 'node:buffer'
import { readFileSync } from 'node:fs'
import { LmFailure } from '../failure.ts'
import { repeatedKey } from '../repeated-key.ts'
import { otherThanText } from './not-text.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export interface Row {
  /** 1-based line on which the row starts. */
  readonly line: number
  readonly value: JsonObject
}

export interface RowFault {
  /** 1-based. */
  readonly line: number
  /** What is wrong, without file and line. */
  readonly message: string
}

export interface RowsOfFile {
  readonly rows: readonly Row[]
  /** In the order of their lines. */
  readonly faults: readonly RowFault[]
}

const NEWLINE = 0x0a
const QUOTE = 0x22
const COMMA = 0x2c
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/**
 * Throws `LmFailure` `unreadable-file` where the file cannot be read at all, `not-text` where it holds something else;
 * its rows' faults are returned.
 */
export function readRows(file: string): RowsOfFile {
  let bytes: Buffer
  try {
    bytes = readFileSync(file)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new LmFailure({
      code: 'unreadable-file',
      message: `cannot read ${file} (${code ?? String(error)})`,
      file,
    })
  }
  const other = otherThanText(bytes)
  if (other !== undefined) {
    throw new LmFailure({ code: 'not-text', message: `${file} is ${other.what}`, hint: other.hint, file })
  }
  return parseRows(bytes)
}

/** The same on the bytes of a file. */
export function parseRows(bytes: Buffer): RowsOfFile {
  const start = skipSpace(bytes, hasByteOrderMark(bytes) ? 3 : 0)
  return bytes[start] === OPEN_BRACKET ? parseArray(bytes, start) : parseLines(bytes, start)
}

function hasByteOrderMark(bytes: Buffer): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === NEWLINE || byte === 0x0d
}

function skipSpace(bytes: Buffer, start: number): number {
  let at = start
  while (isSpace(bytes[at])) at++
  return at
}

class Collector {
  readonly rows: Row[] = []
  readonly faults: RowFault[] = []

  add(bytes: Buffer, line: number): void {
    if (!isUtf8(bytes)) {
      this.faults.push({ line, message: 'is not valid UTF-8' })
      return
    }
    const text = bytes.toString('utf8')
    let value: unknown
    try {
      value = JSON.parse(text)
    } catch (error) {
      this.faults.push({ line, message: `is not JSON: ${(error as Error).message}` })
      return
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      this.faults.push({ line, message: `is ${describeJson(value)}, not an object` })
      return
    }
    const repeated = repeatedKey(text)
    if (repeated === undefined) this.rows.push({ line, value: value as JsonObject })
    else this.faults.push({ line, message: `gives \`${repeated}\` twice` })
  }
}

export function describeJson(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}

function parseLines(bytes: Buffer, start: number): RowsOfFile {
  const collector = new Collector()
  let line = 1 + countNewlines(bytes, 0, start)
  let at = start
  while (at < bytes.length) {
    const newline = bytes.indexOf(NEWLINE, at)
    const end = newline === -1 ? bytes.length : newline
    if (skipSpace(bytes, at) < end) collector.add(bytes.subarray(at, end), line)
    at = end + 1
    line++
  }
  return collector
}

/** Splits the array's elements by nesting and parses each by itself, so that one bad row does not hide the rest. */
function parseArray(bytes: Buffer, start: number): RowsOfFile {
  const collector = new Collector()
  let line = 1 + countNewlines(bytes, 0, start)
  let at = start + 1
  let mayClose = true
  while (true) {
    const first = skipSpace(bytes, at)
    line += countNewlines(bytes, at, first)
    if (bytes[first] === CLOSE_BRACKET && mayClose) {
      checkNothingFollows(collector, bytes, first + 1, line)
      return collector
    }
    const end = endOfElement(bytes, first)
    if (end === first) {
      const found = first < bytes.length ? `has \`${String.fromCharCode(bytes[first]!)}\`` : 'ends'
      collector.faults.push({ line, message: `${found} where a row of the list should stand` })
      if (first >= bytes.length || bytes[first] === CLOSE_BRACKET) return collector
    } else {
      collector.add(bytes.subarray(first, end), line)
    }
    line += countNewlines(bytes, first, end)
    if (end >= bytes.length) {
      collector.faults.push({ line, message: 'ends before the list is closed with `]`' })
      return collector
    }
    if (bytes[end] === CLOSE_BRACKET) {
      checkNothingFollows(collector, bytes, end + 1, line)
      return collector
    }
    at = end + 1
    mayClose = false
  }
}

/** The comma or bracket after the element that starts at `start`, or the end of the bytes. */
function endOfElement(bytes: Buffer, start: number): number {
  let depth = 0
  let inString = false
  for (let at = start; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (inString) {
      if (byte === BACKSLASH) at++
      else if (byte === QUOTE) inString = false
    } else if (byte === QUOTE) {
      inString = true
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth++
    } else if (depth === 0 && (byte === COMMA || byte === CLOSE_BRACKET)) {
      return at
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth = Math.max(0, depth - 1)
    }
  }
  return bytes.length
}

function checkNothingFollows(collector: Collector, bytes: Buffer, at: number, line: number): void {
  const next = skipSpace(bytes, at)
  if (next < bytes.length) {
    collector.faults.push({
      line: line + countNewlines(bytes, at, next),
      message: 'has more text after the list is closed',
    })
  }
}

function countNewlines(bytes: Buffer, start: number, end: number): number {
  let count = 0
  for (let at = start; at < end; at++) if (bytes[at] === NEWLINE) count++
  return count
}
