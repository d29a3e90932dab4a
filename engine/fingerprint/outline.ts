/**
 * @file What a value is made of, in small: digests of its rows, lines, fields or files. Two outlines tell where two
 * values differ when neither of them is there any more.
 */
import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import type { Json } from '../identity.ts'
import { canonicalJson } from './canonical-json.ts'
import { parseTree, type TreeEntry } from './tree.ts'

/** Of larger values only the size is told. */
export const MAX_OUTLINED_BYTES = 16 << 20
/** 48 bits: two unequal rows pass for equal once in a hundred million million. */
const DIGEST_CHARACTERS = 8

export type Outline =
  | {
      /** The elements of a JSON array or the values of JSON lines, whatever the order of their keys. */
      readonly kind: 'rows'
      readonly sizeBytes: number
      readonly digests: readonly string[]
    }
  | { readonly kind: 'lines'; readonly sizeBytes: number; readonly digests: readonly string[] }
  | {
      /** One JSON object. */
      readonly kind: 'fields'
      readonly sizeBytes: number
      /** Of the object as a whole. */
      readonly digest: string
      readonly digests: Readonly<Record<string, string>>
    }
  | {
      readonly kind: 'folder'
      readonly sizeBytes: number
      readonly digests: Readonly<Record<string, string>>
    }
  | { readonly kind: 'bytes'; readonly sizeBytes: number }

/** Of a file's bytes, or of a folder's listing. */
export function outlineOf(bytes: Buffer): Outline {
  const sizeBytes = bytes.length
  if (bytes.includes(0) || !isUtf8(bytes)) return { kind: 'bytes', sizeBytes }
  const text = bytes.toString('utf8').replace(/^\uFEFF/, '')
  const entries = parseTree(text)
  if (entries !== undefined) return outlineOfFolder(entries)
  const value = parsed(text)
  if (Array.isArray(value)) return { kind: 'rows', sizeBytes, digests: value.map(digestOf) }
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([name, field]) => [name, digestOf(field)] as const)
    return { kind: 'fields', sizeBytes, digest: digestOf(value), digests: Object.fromEntries(fields) }
  }
  const lines = text.split(/\r?\n/)
  const rows = parsedLines(lines)
  if (rows !== undefined) return { kind: 'rows', sizeBytes, digests: rows.map(digestOf) }
  if (lines.at(-1) === '') lines.pop()
  return { kind: 'lines', sizeBytes, digests: lines.map(shortDigest) }
}

export function outlineOfFolder(entries: readonly TreeEntry[]): Outline {
  const digests = entries.map((entry) => {
    if (entry.kind === 'folder') return [entry.path, 'folder'] as const
    return [entry.path, `${entry.executable ? 'program' : 'file'} ${entry.hash}`] as const
  })
  const sizeBytes = entries.reduce((sum, entry) => sum + (entry.kind === 'file' ? entry.sizeBytes : 0), 0)
  return { kind: 'folder', sizeBytes, digests: Object.fromEntries(digests) }
}

/** JSON lines: every line that holds something is a JSON array or object. */
function parsedLines(lines: readonly string[]): Json[] | undefined {
  const rows: Json[] = []
  for (const line of lines) {
    if (line.trim() === '') continue
    const row = /^\s*[[{]/.test(line) ? parsed(line) : undefined
    if (row === undefined) return undefined
    rows.push(row)
  }
  return rows.length === 0 ? undefined : rows
}

function parsed(text: string): Json | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined
  try {
    return JSON.parse(text) as Json
  } catch {
    return undefined
  }
}

function digestOf(value: Json): string {
  try {
    return shortDigest(canonicalJson(value))
  } catch {
    // 1e999 is JSON, and a number that canonical JSON refuses.
    return shortDigest(JSON.stringify(value))
  }
}

function shortDigest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, DIGEST_CHARACTERS)
}
