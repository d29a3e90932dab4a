/** @file A YAML document as plain values that remember where they were written. */
import type { SourceRange } from '../diagnostic.ts'
import type { Json, JsonObject } from '../identity.ts'
import type { Template } from './template.ts'

/** Where something was written: a span of a file, or a whole command-line argument (no range). */
export interface Spot {
  readonly file: string
  readonly range?: SourceRange
}

export interface YamlScalar {
  readonly kind: 'scalar'
  /** Finite where it is a number, and never -0. */
  readonly value: null | boolean | number | string
  /** The `${{ ... }}` in `value`, in order; none unless `value` is a string. */
  readonly templates: readonly Template[]
  readonly spot: Spot
}

export interface YamlList {
  readonly kind: 'list'
  readonly items: readonly YamlValue[]
  readonly spot: Spot
}

export interface YamlEntry {
  readonly key: string
  readonly keySpot: Spot
  readonly value: YamlValue
}

export interface YamlMap {
  readonly kind: 'map'
  readonly entries: ReadonlyMap<string, YamlEntry>
  readonly spot: Spot
}

export type YamlValue = YamlScalar | YamlList | YamlMap

/** Part of a spot, by offsets from its start; the whole spot where it has no range. */
export function narrowSpot(spot: Spot, start: number, end: number): Spot {
  if (spot.range === undefined) return spot
  return { file: spot.file, range: { start: spot.range.start + start, end: spot.range.start + end } }
}

/** As JSON; templates stay the text that they are. Own properties only, `__proto__` included. */
export function toJson(value: YamlValue): Json {
  switch (value.kind) {
    case 'scalar':
      return value.value
    case 'list':
      return value.items.map(toJson)
    case 'map':
      return jsonFields(value, (entry) => toJson(entry.value))
    default:
      return value satisfies never
  }
}

/** An object with a value for each entry. */
export function jsonFields(map: YamlMap, toField: (entry: YamlEntry) => Json): JsonObject {
  const fields: Record<string, Json> = {}
  for (const entry of map.entries.values()) {
    const value = toField(entry)
    // Assigned, it would become the prototype.
    if (entry.key === '__proto__')
      Object.defineProperty(fields, entry.key, {
        value,
        enumerable: true,
        configurable: true,
        writable: true,
      })
    else fields[entry.key] = value
  }
  return fields
}

/** What a JSON pointer leads to. Stops at the deepest ancestor that was written in the file. */
export function followPointer(root: YamlValue, pointer: string): { value: YamlValue; entry?: YamlEntry } {
  let found: { value: YamlValue; entry?: YamlEntry } = { value: root }
  for (const segment of pointerSegments(pointer)) {
    const { value } = found
    if (value.kind === 'map') {
      const entry = value.entries.get(segment)
      if (entry === undefined) break
      found = { value: entry.value, entry }
    } else if (value.kind === 'list') {
      const item = value.items[Number(segment)]
      if (item === undefined) break
      found = { value: item }
    } else break
  }
  return found
}

export function pointerSegments(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((segment) => segment.replaceAll('~1', '/').replaceAll('~0', '~'))
}

export function pointerTo(parent: string, key: string | number): string {
  return `${parent}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`
}

export function mapAt(map: YamlMap, key: string): YamlMap | undefined {
  const value = map.entries.get(key)?.value
  return value?.kind === 'map' ? value : undefined
}

export function textAt(map: YamlMap, key: string): string | undefined {
  const value = map.entries.get(key)?.value
  return value?.kind === 'scalar' && typeof value.value === 'string' ? value.value : undefined
}
