/** @file What is wrong with a `tokenizer.json`, thrown by the readers of its parts; `loadTokenizer` adds the file. */

export class TokenizerFault extends Error {
  readonly code: 'damaged-tokenizer' | 'unsupported-tokenizer'

  constructor(code: TokenizerFault['code'], message: string) {
    super(message)
    this.code = code
  }
}

/** The file contradicts itself or lacks something. */
export function damagedPart(message: string): TokenizerFault {
  return new TokenizerFault('damaged-tokenizer', message)
}

/** The file may be sound, but asks for what is not built here. */
export function unsupportedPart(message: string): TokenizerFault {
  return new TokenizerFault('unsupported-tokenizer', message)
}

export type Part = Readonly<Record<string, unknown>>

export function asPart(value: unknown, name: string): Part {
  if (value === undefined) throw damagedPart(`${name} is missing`)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw damagedPart(`${name} is not an object`)
  }
  return value as Part
}

export function asParts(value: unknown, name: string): Part[] {
  if (!Array.isArray(value)) throw damagedPart(`${name} is not a list`)
  return value.map((entry, index) => asPart(entry, `element ${index + 1} of ${name}`))
}

export function asText(value: unknown, name: string): string {
  if (typeof value !== 'string') throw damagedPart(`${name} is not a string`)
  return value
}

export function asId(value: unknown, name: string): number {
  if (!Number.isInteger(value) || (value as number) < 0) {
    throw damagedPart(`${name} is ${JSON.stringify(value)}, not a token id`)
  }
  return value as number
}
