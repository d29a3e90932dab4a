/** @file The fields of a `config.json`, read with their names at hand for messages. */
import { LmFailure } from '../failure.ts'

type Json = Readonly<Record<string, unknown>>

/** Null counts as absent, except where a family asks for it. */
export class ConfigFields {
  readonly file: string
  readonly #json: Json
  /** Where the fields stand: `text_config.`. */
  readonly #prefix: string

  constructor(json: Json, file: string, prefix = '') {
    this.#json = json
    this.file = file
    this.#prefix = prefix
  }

  get(field: string): unknown {
    return this.#json[field] ?? undefined
  }

  isNull(field: string): boolean {
    return this.#json[field] === null
  }

  /** The same fields, with values for those that are absent. */
  withDefaults(defaults: Json): ConfigFields {
    const given = Object.entries(this.#json).filter(([, value]) => value !== null)
    return new ConfigFields({ ...defaults, ...Object.fromEntries(given) }, this.file, this.#prefix)
  }

  /** The object in a field, if any. */
  object(field: string): ConfigFields | undefined {
    const value = this.get(field)
    if (value === undefined) return undefined
    if (typeof value !== 'object' || Array.isArray(value)) this.#invalid(field, 'an object')
    return new ConfigFields(value as Json, this.file, `${this.#prefix}${field}.`)
  }

  number(field: string, fallback?: number, wanted = 'a number'): number {
    const value = this.get(field) ?? fallback
    if (typeof value === 'number' && Number.isFinite(value)) return value
    this.#invalid(field, wanted)
  }

  positive(field: string, fallback?: number, wanted = 'a positive number'): number {
    const value = this.number(field, fallback, wanted)
    if (value > 0) return value
    this.#invalid(field, wanted)
  }

  count(field: string, fallback?: number): number {
    const wanted = 'a positive whole number'
    const value = this.positive(field, fallback, wanted)
    if (Number.isSafeInteger(value)) return value
    this.#invalid(field, wanted)
  }

  flag(field: string, fallback = false): boolean {
    const value = this.get(field) ?? fallback
    if (typeof value === 'boolean') return value
    this.#invalid(field, 'true or false')
  }

  /** Refuses a field that is set to anything but `supported`. */
  only(field: string, ...supported: readonly unknown[]): void {
    const value = this.get(field)
    if (value === undefined || supported.includes(value)) return
    const hint = supported.length === 0 ? 'supported: null' : `supported: ${supported.join(', ')}`
    this.refuse(field, hint)
  }

  /** @throws LmFailure `unsupported-model` */
  refuse(field: string, hint: string): never {
    const value = this.get(field)
    const what = value === undefined ? 'is missing' : `is ${JSON.stringify(value)}, which is not supported`
    throw new LmFailure({
      code: 'unsupported-model',
      message: `\`${this.#prefix}${field}\` ${what}`,
      hint,
      file: this.file,
    })
  }

  /** @throws LmFailure `invalid-model-config` */
  #invalid(field: string, wanted: string): never {
    const value = this.get(field)
    const what =
      value === undefined
        ? `is missing; it must be ${wanted}`
        : `must be ${wanted}, not ${JSON.stringify(value)}`
    throw new LmFailure({
      code: 'invalid-model-config',
      message: `\`${this.#prefix}${field}\` ${what}`,
      file: this.file,
    })
  }
}
