/** @file The numbers in a small JSON output, whatever it is about: losses, scores, counts. */
import { readFileSync, statSync } from 'node:fs'
import { sha256 } from '../fingerprint/hash.ts'
import type { ContentHash, Json } from '../identity.ts'
import type { Store } from '../store/store.ts'

/** Larger outputs are data, not figures. */
const MAX_BYTES = 64 << 10
const MAX_NUMBERS = 200

/** Dotted path -> number; nothing where the output is no JSON object with numbers, or is not there any more. */
export function outputNumbers(store: Store, hash: ContentHash): ReadonlyMap<string, number> | undefined {
  const path = store.layout.blob(hash)
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats === undefined || !stats.isFile() || stats.size > MAX_BYTES) return undefined
  const text = readFileSync(path, 'utf8')
  if (!/^\s*\{/.test(text) || sha256(text) !== hash) return undefined
  const numbers = new Map<string, number>()
  try {
    collect('', JSON.parse(text) as Json, numbers)
  } catch {
    return undefined
  }
  return numbers.size === 0 || numbers.size > MAX_NUMBERS ? undefined : numbers
}

function collect(path: string, value: Json, numbers: Map<string, number>): void {
  if (typeof value === 'number' && Number.isFinite(value)) numbers.set(path, value)
  // A list is a row of data; its members have no names.
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return
  for (const [name, member] of Object.entries(value)) {
    collect(path === '' ? name : `${path}.${name}`, member as Json, numbers)
  }
}
