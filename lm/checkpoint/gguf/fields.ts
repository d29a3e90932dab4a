/** @file The metadata of a GGUF file, read by name and type. */
import { LmFailure } from '../../failure.ts'
import type { GgufHeader } from './header.ts'

/** Each answer is undefined where the file does not hold the field, and a failure where it holds something else. */
export class Fields {
  readonly file: string
  readonly #header: GgufHeader

  constructor(header: GgufHeader) {
    this.file = header.file
    this.#header = header
  }

  number(key: string): number | undefined {
    const value = this.#header.fields.get(key)?.value
    if (value === undefined || typeof value === 'number') return value
    throw this.#wrong(key, 'a number')
  }

  text(key: string): string | undefined {
    const value = this.#header.fields.get(key)?.value
    if (value === undefined || typeof value === 'string') return value
    throw this.#wrong(key, 'a text')
  }

  flag(key: string): boolean | undefined {
    const value = this.#header.fields.get(key)?.value
    if (value === undefined || typeof value === 'boolean') return value
    throw this.#wrong(key, 'true or false')
  }

  texts(key: string): readonly string[] | undefined {
    const value = this.#header.fields.get(key)?.value
    if (value === undefined) return undefined
    if (Array.isArray(value) && value.every((item) => typeof item === 'string')) return value
    throw this.#wrong(key, 'a list of texts')
  }

  numbers(key: string): readonly number[] | undefined {
    const value = this.#header.fields.get(key)?.value
    if (value === undefined) return undefined
    if (Array.isArray(value) && value.every((item) => typeof item === 'number')) return value
    throw this.#wrong(key, 'a list of numbers')
  }

  /** Undefined also where the field is no list: a pattern of layers may be one number. */
  flags(key: string): readonly boolean[] | undefined {
    const value = this.#header.fields.get(key)?.value
    return Array.isArray(value) ? value.map(Boolean) : undefined
  }

  required<T>(key: string, value: T | undefined): T {
    if (value !== undefined) return value
    throw new LmFailure({
      code: 'damaged-gguf',
      message: `${this.file} has no field \`${key}\``,
      file: this.file,
    })
  }

  #wrong(key: string, wanted: string): LmFailure {
    return new LmFailure({
      code: 'damaged-gguf',
      message: `the field \`${key}\` of ${this.file} is not ${wanted}`,
      file: this.file,
    })
  }
}

/** @throws LmFailure `unsupported-gguf` */
export function refuse(file: string, what: string, hint: string): never {
  throw new LmFailure({
    code: 'unsupported-gguf',
    message: `${what} in ${file} is not supported`,
    hint,
    file,
  })
}
