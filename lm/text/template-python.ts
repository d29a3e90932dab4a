/**
 * @file What chat templates take from Python, where JavaScript's or the Jinja library's way differs: methods of strings,
 * the filters `trim` and `length`, equality, and values as text.
 */

/** What `str.isspace` accepts: U+001C to U+001F and U+0085 are in, U+FEFF is not. */
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const SPACES_BEFORE = new RegExp(`^[${SPACE}]+`)
const SPACES_AFTER = new RegExp(`[${SPACE}]+$`)
const WORD = new RegExp(`[^${SPACE}]+`, 'g')
const LINE_BREAK = /\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]/

/** Arguments as the template gives them; keyword arguments come last, as a map. */
type Method = (text: string, ...args: unknown[]) => unknown

export const STRING_METHODS: Readonly<Record<string, Method>> = {
  strip: (text, characters) => lstrip(rstrip(text, characters), characters),
  lstrip,
  rstrip,
  split: (text, ...args) => split(text, argument(args, 0, 'sep'), argument(args, 1, 'maxsplit'), false),
  rsplit: (text, ...args) => split(text, argument(args, 0, 'sep'), argument(args, 1, 'maxsplit'), true),
  splitlines: (text) => {
    const lines = text.split(LINE_BREAK)
    return lines.at(-1) === '' ? lines.slice(0, -1) : lines
  },
  removeprefix: (text, prefix) =>
    text.startsWith(asText(prefix)) ? text.slice(asText(prefix).length) : text,
  removesuffix: (text, suffix) =>
    asText(suffix) !== '' && text.endsWith(asText(suffix)) ? text.slice(0, -asText(suffix).length) : text,
}

function lstrip(text: string, characters?: unknown): string {
  if (characters === undefined || characters === null) return text.replace(SPACES_BEFORE, '')
  const set = new Set(asText(characters))
  const kept = [...text]
  const first = kept.findIndex((character) => !set.has(character))
  return first === -1 ? '' : kept.slice(first).join('')
}

function rstrip(text: string, characters?: unknown): string {
  if (characters === undefined || characters === null) return text.replace(SPACES_AFTER, '')
  const set = new Set(asText(characters))
  const kept = [...text]
  return kept.slice(0, kept.findLastIndex((character) => !set.has(character)) + 1).join('')
}

function split(text: string, separator: unknown, most: unknown, fromRight: boolean): string[] {
  const limit = typeof most === 'number' && most >= 0 ? most : Number.POSITIVE_INFINITY
  if (separator === undefined || separator === null) return splitAtSpaces(text, limit, fromRight)
  const mark = asText(separator)
  if (mark === '') throw new Error('empty separator')
  const parts = text.split(mark)
  const extra = parts.length - 1 - limit
  if (extra <= 0) return parts
  return fromRight
    ? [parts.slice(0, extra + 1).join(mark), ...parts.slice(extra + 1)]
    : [...parts.slice(0, limit), parts.slice(limit).join(mark)]
}

function splitAtSpaces(text: string, limit: number, fromRight: boolean): string[] {
  const words = [...text.matchAll(WORD)]
  const extra = words.length - limit
  if (extra <= 0) return words.map(([word]) => word)
  if (fromRight) {
    const last = words[extra - 1]!
    const rest = words.slice(extra).map(([word]) => word)
    return [lstrip(text.slice(0, last.index + last[0].length)), ...rest]
  }
  const next = words[limit]!
  return [...words.slice(0, limit).map(([word]) => word), rstrip(text.slice(next.index))]
}

function argument(args: readonly unknown[], position: number, name: string): unknown {
  const last = args.at(-1)
  if (!(last instanceof Map)) return args[position]
  // Values in the map are the interpreter's own, which hold JavaScript's.
  return last.has(name) ? last.get(name).value : position < args.length - 1 ? args[position] : undefined
}

function asText(value: unknown): string {
  if (typeof value !== 'string') throw new Error('a string method was given something that is no string')
  return value
}

/** The filters `trim` and `length`: any value as text; characters, not UTF-16 units. */
export function trim(value: unknown, characters?: unknown): string {
  const text = shown(value)
  return lstrip(rstrip(text, characters), characters)
}

export function length(value: unknown): number {
  if (typeof value === 'string') return [...value].length
  if (Array.isArray(value)) return value.length
  if (value instanceof Map) return value.size
  if (value === undefined) return 0
  throw new Error('this value has no length')
}

/** `==`: no text equals a number or a truth value, true equals 1, lists and mappings by their elements. */
export function equals(left: unknown, right: unknown): boolean {
  if (Array.isArray(left) && Array.isArray(right)) {
    return (
      left.length === right.length && left.every((entry, index) => equals(entry.value, right[index].value))
    )
  }
  if (left instanceof Map && right instanceof Map) {
    return (
      left.size === right.size &&
      [...left].every(([key, entry]) => right.has(key) && equals(entry.value, right.get(key).value))
    )
  }
  const asNumber = (value: unknown) => (typeof value === 'boolean' ? Number(value) : value)
  return asNumber(left) === asNumber(right)
}

/** `str(value)`, as `{{ value }}` and `~` write it; nothing for what is undefined. */
export function shown(value: unknown): string {
  return typeof value === 'string' ? value : value === undefined ? '' : represented(value)
}

/** `repr(value)` */
function represented(value: unknown): string {
  if (value === null) return 'None'
  if (typeof value === 'boolean') return value ? 'True' : 'False'
  if (typeof value === 'string') return quoted(value)
  if (Array.isArray(value)) return `[${value.map((entry) => represented(entry.value)).join(', ')}]`
  if (value instanceof Map) {
    const entries = [...value].map(([key, entry]) => `${quoted(String(key))}: ${represented(entry.value)}`)
    return `{${entries.join(', ')}}`
  }
  return String(value)
}

function quoted(text: string): string {
  const mark = text.includes("'") && !text.includes('"') ? '"' : "'"
  const escapes: Record<string, string> = {
    '\n': '\\n',
    '\r': '\\r',
    '\t': '\\t',
    '\\': '\\\\',
    [mark]: `\\${mark}`,
  }
  return mark + text.replace(/[\n\r\t\\'"]/g, (character) => escapes[character] ?? character) + mark
}
