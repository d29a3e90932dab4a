/** @file Checked access to the fields of an unknown JSON object: a reader either returns its type or names the fault. */
import { isRole, type Message, type Prompt } from './messages.ts'
import { describeJson, type JsonObject } from './read-rows.ts'

export type Parsed<T> =
  | { readonly value: T; readonly fault?: never }
  | { readonly fault: string; readonly value?: never }

/** Carries a fault out of nested readers to `parse`, which turns it into a value. */
class FieldFault extends Error {}

export function fault(message: string): never {
  throw new FieldFault(message)
}

/** Runs readers over a row; the first fault is the result. */
export function parse<T>(row: unknown, read: (row: JsonObject) => T): Parsed<T> {
  try {
    return { value: read(asObject(row, 'the row')) }
  } catch (error) {
    if (error instanceof FieldFault) return { fault: error.message }
    throw error
  }
}

export function asObject(value: unknown, name: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    fault(`${name} is ${describeJson(value)}, not an object`)
  }
  return value as JsonObject
}

export function asString(value: unknown, name: string): string {
  if (typeof value !== 'string') fault(`${name} is ${describeJson(value)}, not a string`)
  return value
}

export function asNumber(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isFinite(value))
    fault(`${name} is ${describeJson(value)}, not a number`)
  return value
}

export function asInteger(value: unknown, name: string): number {
  if (!Number.isSafeInteger(value)) {
    fault(`${name} is ${typeof value === 'number' ? value : describeJson(value)}, not an integer`)
  }
  return value as number
}

export function asList(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) fault(`${name} is ${describeJson(value)}, not a list`)
  return value
}

export const text = (row: JsonObject, field: string) => asString(row[field], quoted(field))

export function nonEmptyText(row: JsonObject, field: string): string {
  const value = text(row, field)
  if (value.trim() === '') fault(`${quoted(field)} is empty`)
  return value
}

/** A missing or null field gives undefined. */
export function optional<T>(
  row: JsonObject,
  field: string,
  read: (value: unknown, name: string) => T,
): T | undefined {
  const value = row[field]
  return value === undefined || value === null ? undefined : read(value, quoted(field))
}

export function orNull<T>(
  row: JsonObject,
  field: string,
  read: (value: unknown, name: string) => T,
): T | null {
  const value = row[field]
  return value === undefined || value === null ? null : read(value, quoted(field))
}

export function list<T>(
  row: JsonObject,
  field: string,
  readElement: (value: unknown, name: string) => T,
): readonly T[] {
  return readList(row[field], quoted(field), readElement)
}

export function readList<T>(
  value: unknown,
  name: string,
  readElement: (value: unknown, name: string) => T,
): readonly T[] {
  return asList(value, name).map((element, index) => readElement(element, `element ${index + 1} of ${name}`))
}

export function asMessage(value: unknown, name: string): Message {
  const message = asObject(value, name)
  if (!isRole(message.role)) {
    fault(`${name} has the role ${JSON.stringify(message.role)}, not system, user or assistant`)
  }
  return { role: message.role, content: asString(message.content, `\`content\` of ${name}`) }
}

export function asMessages(value: unknown, name: string): readonly Message[] {
  const messages = readList(value, name, asMessage)
  if (messages.length === 0) fault(`${name} is an empty list`)
  return messages
}

/** A non-empty string, or messages of which the last is not the assistant's. */
export function asPrompt(value: unknown, name: string): Prompt {
  if (typeof value === 'string') {
    if (value.trim() === '') fault(`${name} is empty`)
    return value
  }
  if (!Array.isArray(value)) fault(`${name} is ${describeJson(value)}, not a string or a list of messages`)
  const messages = asMessages(value, name)
  if (messages.at(-1)!.role === 'assistant') fault(`${name} ends with the assistant's turn`)
  return messages
}

export function quoted(field: string): string {
  return `\`${field}\``
}
