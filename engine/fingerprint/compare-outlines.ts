/** @file Where two values differ, in one short line: "1 of 64 rows differs (row 12)", "config.json changed". */

import { sizeText } from '../terminal/quantities.ts'
import type { Outline } from './outline.ts'

/** Names of files or fields that a line tells; of more the number. */
const SHOWN_NAMES = 3

export interface ContentDifference {
  readonly text: string
  /** What is counted. Absent where only sizes are known. */
  readonly unit?: 'row' | 'line' | 'file' | 'field'
  readonly changed?: number
  readonly added?: number
  readonly removed?: number
  /** 1-based, of rows and lines: the first that is not as before; of `removed` ones alone the place that it had. */
  readonly first?: number
  /** Of files and fields. */
  readonly names?: readonly NamedChange[]
}

export interface NamedChange {
  readonly name: string
  readonly change: 'added' | 'removed' | 'changed'
}

/** Of two values whose content hashes differ. */
export function compareOutlines(before: Outline, after: Outline): ContentDifference {
  if (before.kind === 'folder' && after.kind === 'folder') {
    return namedDifference('file', before.digests, after.digests)
  }
  if (before.kind === 'fields' && after.kind === 'fields') {
    return namedDifference('field', before.digests, after.digests)
  }
  if (before.kind === 'lines' && after.kind === 'lines') {
    return sequenceDifference('line', before.digests, after.digests)
  }
  const [oldRows, newRows] = [rowsOf(before), rowsOf(after)]
  if (oldRows !== undefined && newRows !== undefined) return sequenceDifference('row', oldRows, newRows)
  if (before.kind === 'folder' || after.kind === 'folder') {
    return { text: before.kind === 'folder' ? 'a folder became a file' : 'a file became a folder' }
  }
  const [oldSize, newSize] = [sizeText(before.sizeBytes), sizeText(after.sizeBytes)]
  if (before.sizeBytes === after.sizeBytes) return { text: `other bytes, ${newSize} as before` }
  // Two sizes that read the same say nothing.
  if (oldSize === newSize) return { text: `${before.sizeBytes} B -> ${after.sizeBytes} B` }
  return { text: `${oldSize} -> ${newSize}` }
}

/** An object alone in a file may be the only row of JSON lines. */
function rowsOf(outline: Outline): readonly string[] | undefined {
  if (outline.kind === 'rows') return outline.digests
  return outline.kind === 'fields' ? [outline.digest] : undefined
}

function namedDifference(
  unit: 'file' | 'field',
  before: Readonly<Record<string, string>>,
  after: Readonly<Record<string, string>>,
): ContentDifference {
  const all = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  const names = all.flatMap((name): NamedChange[] => {
    if (!Object.hasOwn(before, name)) return [{ name, change: 'added' }]
    if (!Object.hasOwn(after, name)) return [{ name, change: 'removed' }]
    return before[name] === after[name] ? [] : [{ name, change: 'changed' }]
  })
  const count = (change: string) => names.filter((named) => named.change === change).length
  const counts = { unit, changed: count('changed'), added: count('added'), removed: count('removed'), names }
  if (names.length === 0) return { text: `the same ${unit}s, written differently`, ...counts }
  const shown = names.slice(0, SHOWN_NAMES).map(({ name, change }) => `${name} ${change}`)
  const more = names.length - shown.length
  const rest = more === 0 ? '' : ` and ${more} more ${more === 1 ? unit : `${unit}s`}`
  return { text: `${shown.join(', ')}${rest}`, ...counts }
}

function sequenceDifference(
  unit: 'row' | 'line',
  before: readonly string[],
  after: readonly string[],
): ContentDifference {
  const start = commonLength(before, after, (list, at) => list[at])
  const [oldRest, newRest] = [before.slice(start), after.slice(start)]
  const end = commonLength(oldRest, newRest, (list, at) => list[list.length - 1 - at])
  const old = oldRest.slice(0, oldRest.length - end)
  const now = newRest.slice(0, newRest.length - end)
  const gone = indexesNotIn(old, now)
  const come = indexesNotIn(now, old)
  const changed = Math.min(gone.length, come.length)
  const [added, removed] = [come.length - changed, gone.length - changed]
  const counts = { unit, changed, added, removed }
  if (changed + added + removed === 0) {
    const moved = old.findIndex((digest, at) => digest !== now[at])
    if (moved < 0) return { text: `the same ${unit}s, written differently`, ...counts }
    const first = start + moved + 1
    return { text: `the order of its ${unit}s differs (first: ${unit} ${first})`, ...counts, first }
  }
  const first = start + (come[0] ?? gone[0] ?? 0) + 1
  if (before.length === 1 && after.length === 1) return { text: `its only ${unit} differs`, ...counts, first }
  const all = changed + added + removed
  const place = all === 1 ? `${unit} ${first}` : `first: ${unit} ${first}`
  return { text: `${countsText(unit, before.length, counts)} (${place})`, ...counts, first }
}

/** "1 of 64 rows differs", "3 rows added to 64", "2 of 64 rows removed", "2 of 64 rows differ, 1 added" */
function countsText(
  unit: string,
  total: number,
  { changed, added, removed }: { readonly changed: number; readonly added: number; readonly removed: number },
): string {
  const of = `of ${total} ${total === 1 ? unit : `${unit}s`}`
  if (changed > 0) {
    const rest = added > 0 ? `, ${added} added` : removed > 0 ? `, ${removed} removed` : ''
    return `${changed} ${of} ${changed === 1 ? 'differs' : 'differ'}${rest}`
  }
  if (removed > 0) return `${removed} ${of} removed`
  return `${added} ${added === 1 ? unit : `${unit}s`} added to ${total}`
}

function commonLength(
  one: readonly string[],
  other: readonly string[],
  at: (list: readonly string[], index: number) => string | undefined,
): number {
  const most = Math.min(one.length, other.length)
  let length = 0
  while (length < most && at(one, length) === at(other, length)) length++
  return length
}

/** Where `list` holds what `other` does not, or not as often. */
function indexesNotIn(list: readonly string[], other: readonly string[]): number[] {
  const counts = new Map<string, number>()
  for (const digest of other) counts.set(digest, (counts.get(digest) ?? 0) + 1)
  return list.flatMap((digest, index) => {
    const left = counts.get(digest) ?? 0
    counts.set(digest, left - 1)
    return left > 0 ? [] : [index]
  })
}
