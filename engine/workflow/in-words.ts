/** @file Values, types and choices as messages name them. */
import type { Json } from '../identity.ts'

const TYPE_NAMES: Readonly<Record<string, string>> = {
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping',
  null: 'null',
}

export function typeName(type: string | readonly string[]): string {
  return typeof type === 'string' ? (TYPE_NAMES[type] ?? type) : alternatives(type.map(typeName))
}

export function choiceName(choice: Json): string {
  return typeof choice === 'string' ? `\`${choice}\`` : JSON.stringify(choice)
}

export function alternatives(names: readonly string[]): string {
  if (names.length < 2) return names[0] ?? 'absent'
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

/** A value as a message names it: `the string "two"`, `2.5`, `a list`. */
export function inWords(value: unknown): string {
  if (value === null || value === undefined) return 'empty'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value !== 'string') return String(value)
  return `the string ${JSON.stringify(value.length > 40 ? `${value.slice(0, 39)}…` : value)}`
}
