/**
 * @file JSON that carries the digest of its own text, so that a damaged file is told from a whole one even where it
 * still parses.
 */
import { existsSync, readFileSync } from 'node:fs'
import { sha256 } from '../fingerprint/hash.ts'

const [BEGIN, MIDDLE, END] = ['{"sha256":"', '","value":', '}\n']
const DIGEST_END = BEGIN.length + 64
const VALUE_BEGIN = DIGEST_END + MIDDLE.length

export function seal(value: object): string {
  const text = JSON.stringify(value)
  return `${BEGIN}${sha256(text)}${MIDDLE}${text}${END}`
}

export type Sealed =
  | { readonly state: 'whole'; readonly value: unknown }
  | { readonly state: 'absent' }
  | { readonly state: 'damaged' }

/** Synchronous: these files are small and many, and a promise each costs more than the read. */
export function readSealed(path: string): Sealed {
  // To ask costs nothing beside the error that is spared.
  if (!existsSync(path)) return { state: 'absent' }
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return { state: 'absent' }
    if (code === 'EISDIR') return { state: 'damaged' }
    throw error
  }
  return parseSealed(text)
}

export function parseSealed(text: string): Exclude<Sealed, { readonly state: 'absent' }> {
  const isFramed = text.startsWith(BEGIN) && text.startsWith(MIDDLE, DIGEST_END) && text.endsWith(END)
  const value = text.slice(VALUE_BEGIN, -END.length)
  if (!isFramed || text.slice(BEGIN.length, DIGEST_END) !== sha256(value)) return { state: 'damaged' }
  return { state: 'whole', value: JSON.parse(value) }
}
