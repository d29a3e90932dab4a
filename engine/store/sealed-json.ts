/**
 * @file JSON that carries the digest of its own text, so that a damaged file is told from a whole one even where it
 * still parses.
 */
import { readFileSync } from 'node:fs'
import { sha256 } from '../fingerprint/hash.ts'

const SEAL = /^\{"sha256":"([0-9a-f]{64})","value":(.*)\}\n$/s

export function seal(value: object): string {
  const text = JSON.stringify(value)
  return `{"sha256":"${sha256(text)}","value":${text}}\n`
}

export type Sealed =
  | { readonly state: 'whole'; readonly value: unknown }
  | { readonly state: 'absent' }
  | { readonly state: 'damaged' }

/** Synchronous: these files are small and many, and a promise each costs more than the read. */
export function readSealed(path: string): Sealed {
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
  const [, digest, value] = SEAL.exec(text) ?? []
  if (value === undefined || sha256(value) !== digest) return { state: 'damaged' }
  return { state: 'whole', value: JSON.parse(value) }
}
