/**
 * @file One text for each JSON value, whatever the order in which its keys were written: the ground of every key.
 * Changing a byte of this output changes every key; the golden tests hold it.
 */

/**
 * Keys sorted by UTF-16 code unit, no white space, -0 written as 0. Throws a `TypeError` that names the place for
 * whatever JSON cannot hold (NaN, Infinity, undefined, a bigint, a function, a Date): a key made of a silently
 * dropped or altered value would be wrong.
 * @param place What errors call the value itself.
 */
export function canonicalJson(value: unknown, place = '$'): string {
  return write(value, place)
}

function write(value: unknown, place: string): string {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return JSON.stringify(value)
    case 'number':
      if (!Number.isFinite(value)) throw new TypeError(`${place} is ${value}, which JSON cannot hold`)
      return JSON.stringify(value === 0 ? 0 : value)
    case 'object':
      if (value === null) return 'null'
      return Array.isArray(value) ? writeArray(value, place) : writeObject(value, place)
    default:
      throw new TypeError(`${place} is a ${typeof value}, which JSON cannot hold`)
  }
}

function writeArray(values: readonly unknown[], place: string): string {
  const items: string[] = []
  // By index: iteration methods would skip the holes of a sparse array.
  for (let index = 0; index < values.length; index++) items.push(write(values[index], `${place}[${index}]`))
  return `[${items.join(',')}]`
}

function writeObject(value: object, place: string): string {
  const prototype = Object.getPrototypeOf(value)
  // `null` for Object.create(null); the second test admits plain objects of another realm.
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null) {
    throw new TypeError(`${place} is a ${value.constructor.name}, which JSON cannot hold`)
  }
  const record = value as Record<string, unknown>
  const fields = Object.keys(record)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${write(record[key], `${place}.${key}`)}`)
  return `{${fields.join(',')}}`
}
