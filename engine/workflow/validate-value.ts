/**
 * @file Checks a value with positions against a JSON schema, and says in plain words, at the very key or value, what
 * does not fit.
 */
import { Ajv, type ErrorObject, type ValidateFunction } from 'ajv'
import type { Json, JsonObject } from '../identity.ts'
import type { Faults } from './faults.ts'
import { alternatives, choiceName, inWords, typeName } from './in-words.ts'
import { suggest, suggestionHint } from './suggest.ts'
import { followPointer, pointerSegments, type Spot, type YamlMap } from './yaml-value.ts'

// No coercion: "2" is not 2. A schema was checked when its stage was loaded.
const ajv = new Ajv({
  allErrors: true,
  useDefaults: true,
  verbose: true,
  ownProperties: true,
  strict: false,
  validateSchema: false,
  validateFormats: false,
  logger: false,
})
const validators = new WeakMap<object, ValidateFunction>()

export interface ValueToValidate {
  /** As written, for positions. */
  readonly written: YamlMap
  /** The same with references replaced. Defaults of the schema are filled in, in place. */
  readonly data: JsonObject
  readonly schema: object
  /** Where a field that is missing from the whole is reported. */
  readonly spot: Spot
  /** What the whole is, for messages: "stage `sft`". */
  readonly owner: string
  /** JSON pointers to values that are not known, since what they refer to is faulty. */
  readonly unknown?: ReadonlySet<string>
}

/** Returns the JSON pointers of all faulty values and of what they lie in. */
export function validateValue(value: ValueToValidate, faults: Faults): ReadonlySet<string> {
  let validator = validators.get(value.schema)
  if (validator === undefined) {
    validator = ajv.compile(value.schema)
    validators.set(value.schema, validator)
  }
  if (validator(value.data)) return new Set()
  const errors = (validator.errors ?? []).filter((error) => !isUnder(error.instancePath, value.unknown))
  new Explainer(value, faults).explain(errors)
  const faulty = new Set<string>()
  for (const error of errors) {
    for (let at = error.instancePath; at !== '' && !faulty.has(at); at = at.slice(0, at.lastIndexOf('/')))
      faulty.add(at)
  }
  return faulty
}

function isUnder(pointer: string, unknown: ReadonlySet<string> | undefined): boolean {
  if (unknown === undefined || unknown.size === 0) return false
  for (let at = pointer; at !== ''; at = at.slice(0, at.lastIndexOf('/'))) if (unknown.has(at)) return true
  return false
}

interface AnySchema {
  readonly type?: string | readonly string[]
  /** Names the form asked for, in place of its type and pattern: "a duration such as `30s`". */
  readonly title?: string
  readonly const?: Json
  readonly enum?: readonly Json[]
  readonly anyOf?: readonly AnySchema[]
  readonly properties?: JsonObject
}

class Explainer {
  readonly #value: ValueToValidate
  readonly #faults: Faults

  constructor(value: ValueToValidate, faults: Faults) {
    this.#value = value
    this.#faults = faults
  }

  explain(errors: readonly ErrorObject[]): void {
    const { unions, others } = splitUnions(errors)
    // A field that is missing only because its name is mistyped is one fault, not two.
    const meant = new Set<string>()
    for (const error of others) {
      if (error.keyword !== 'additionalProperties') continue
      const near = suggest(error.params.additionalProperty, this.#freeFields(error))
      if (near !== undefined) meant.add(`${error.instancePath} ${near}`)
    }
    for (const error of others) {
      if (error.keyword === 'required' && meant.has(`${error.instancePath} ${error.params.missingProperty}`))
        continue
      this.#explainOne(error)
    }
    for (const union of unions) this.#explainUnion(union)
  }

  #explainOne(error: ErrorObject): void {
    const { keyword, params, data } = error
    switch (keyword) {
      case 'additionalProperties': {
        const field: string = params.additionalProperty
        const { value } = followPointer(this.#value.written, error.instancePath)
        const spot = (value.kind === 'map' && value.entries.get(field)?.keySpot) || value.spot
        const hint = suggestionHint(field, this.#freeFields(error))
        this.#faults.add(spot, 'unknown-field', `${this.#owner(error)} has no field \`${field}\``, hint)
        return
      }
      case 'required': {
        const { entry } = followPointer(this.#value.written, error.instancePath)
        const spot = entry?.keySpot ?? this.#value.spot
        this.#faults.add(spot, 'missing-field', `${this.#owner(error)} needs \`${params.missingProperty}\``)
        return
      }
      case 'type':
        this.#add(
          error,
          'wrong-type',
          `must be ${formName(error) ?? typeName(params.type)}, not ${inWords(data)}`,
        )
        return
      case 'const':
        this.#addChoice(error, [params.allowedValue])
        return
      case 'enum':
        this.#addChoice(error, params.allowedValues)
        return
      case 'minimum':
      case 'maximum':
      case 'exclusiveMinimum':
      case 'exclusiveMaximum':
        this.#add(error, 'out-of-range', `must be ${BOUND[keyword]} ${params.limit}, not ${inWords(data)}`)
        return
      case 'multipleOf':
        this.#add(error, 'out-of-range', `must be a multiple of ${params.multipleOf}, not ${inWords(data)}`)
        return
      case 'minLength':
        this.#add(
          error,
          'wrong-value',
          params.limit === 1 ? 'must not be empty' : `must have at least ${params.limit} characters`,
        )
        return
      case 'maxLength':
        this.#add(error, 'wrong-value', `must have at most ${params.limit} characters`)
        return
      case 'minItems':
      case 'minProperties':
        this.#add(
          error,
          'wrong-value',
          params.limit === 1 ? 'must not be empty' : `must have at least ${params.limit} entries`,
        )
        return
      case 'maxItems':
      case 'maxProperties':
        this.#add(error, 'wrong-value', `must have at most ${params.limit} entries`)
        return
      case 'uniqueItems':
        this.#add(error, 'wrong-value', `holds ${inWords((data as Json[])[params.i])} twice`)
        return
      case 'pattern':
        this.#add(
          error,
          'wrong-value',
          `must ${formName(error) === undefined ? `match ${params.pattern}` : `be ${formName(error)}`}, not ${inWords(data)}`,
        )
        return
      default:
        this.#add(error, 'wrong-value', error.message ?? 'does not fit')
    }
  }

  /** One fault for a union of which no branch fits: its choices, or what is wrong with the branch that was meant. */
  #explainUnion({ error, branches }: Union): void {
    const schemas = (error.schema as readonly AnySchema[]).flatMap(flattenUnion)
    const choices = schemas.flatMap(literalsOf)
    if (schemas.every((schema) => schema.const !== undefined || schema.enum !== undefined)) {
      this.#addChoice(error, choices)
      return
    }
    const meant = branches.filter((branch) => !branch.some((fault) => missesKind(fault, error.instancePath)))
    const [only] = meant
    if (only !== undefined && only.length > 0) {
      this.explain(meant.reduce((fewest, branch) => (branch.length < fewest.length ? branch : fewest), only))
      return
    }
    const names = new Set(schemas.map((schema) => schemaName(schema)))
    this.#add(error, 'wrong-type', `must be ${alternatives([...names])}, not ${inWords(error.data)}`)
  }

  #addChoice(error: ErrorObject, choices: readonly Json[]): void {
    const names = choices.map(choiceName)
    const message = `must be ${alternatives(names)}, not ${inWords(error.data)}`
    const near =
      typeof error.data === 'string'
        ? suggest(
            error.data,
            choices.filter((choice) => typeof choice === 'string'),
          )
        : undefined
    this.#add(error, 'not-a-choice', message, near === undefined ? undefined : `did you mean \`${near}\`?`)
  }

  #add(error: ErrorObject, code: string, message: string, hint?: string): void {
    const { value } = followPointer(this.#value.written, error.instancePath)
    const [template] = value.kind === 'scalar' ? value.templates : []
    const origin = template && `that is the value of \`${template.text}\``
    this.#faults.add(value.spot, code, `${this.#owner(error)} ${message}`, hint ?? origin)
  }

  #owner(error: ErrorObject): string {
    return error.instancePath === '' ? this.#value.owner : `\`${fieldName(error.instancePath)}\``
  }

  /** Fields that the schema knows and the file does not give yet. */
  #freeFields(error: ErrorObject): string[] {
    const { value } = followPointer(this.#value.written, error.instancePath)
    const known = Object.keys((error.parentSchema as AnySchema).properties ?? {})
    return known.filter((name) => value.kind !== 'map' || !value.entries.has(name))
  }
}

interface Union {
  readonly error: ErrorObject
  /** The faults of each branch, in the schema's order. */
  readonly branches: readonly (readonly ErrorObject[])[]
}

/** Takes the outermost unions' own and their branches' errors out of a flat list. */
function splitUnions(errors: readonly ErrorObject[]): { unions: Union[]; others: ErrorObject[] } {
  const isUnion = (error: ErrorObject) => error.keyword === 'anyOf' || error.keyword === 'oneOf'
  const unions: Union[] = []
  let others = [...errors]
  for (;;) {
    const found = others
      .filter(isUnion)
      .reduce<ErrorObject | undefined>(
        (outer, error) =>
          outer === undefined || error.schemaPath.length < outer.schemaPath.length ? error : outer,
        undefined,
      )
    if (found === undefined) return { unions, others }
    const branches: ErrorObject[][] = (found.schema as readonly unknown[]).map(() => [])
    const rest: ErrorObject[] = []
    for (const error of others) {
      if (error === found) continue
      const isInside =
        error.schemaPath.startsWith(`${found.schemaPath}/`) &&
        (error.instancePath === found.instancePath || error.instancePath.startsWith(`${found.instancePath}/`))
      if (!isInside) rest.push(error)
      else branches[Number.parseInt(error.schemaPath.slice(found.schemaPath.length + 1), 10)]?.push(error)
    }
    unions.push({ error: found, branches })
    others = rest
  }
}

function formName(error: ErrorObject): string | undefined {
  return (error.parentSchema as AnySchema).title
}

function missesKind(error: ErrorObject, instancePath: string): boolean {
  return error.instancePath === instancePath && ['type', 'const', 'enum'].includes(error.keyword)
}

function flattenUnion(schema: AnySchema): readonly AnySchema[] {
  return schema.anyOf === undefined ? [schema] : schema.anyOf.flatMap(flattenUnion)
}

function literalsOf(schema: AnySchema): readonly Json[] {
  if (schema.const !== undefined) return [schema.const]
  return schema.enum ?? []
}

const BOUND = {
  minimum: 'at least',
  maximum: 'at most',
  exclusiveMinimum: 'more than',
  exclusiveMaximum: 'less than',
} as const

function schemaName(schema: AnySchema): string {
  const literals = literalsOf(schema)
  if (literals.length > 0) return alternatives(literals.map(choiceName))
  return schema.type === undefined ? 'another value' : typeName(schema.type)
}

function fieldName(pointer: string): string {
  return pointerSegments(pointer).join('.')
}
