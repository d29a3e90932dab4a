/** @file The workflow's own params: declarations, defaults and `--param` into values. */
import type { Json } from '../identity.ts'
import type { Faults } from './faults.ts'
import type { ParamDeclaration, ParamScalar } from './file-schema.ts'
import { alternatives, choiceName, inWords, typeName } from './in-words.ts'
import { parseYaml } from './parse-yaml.ts'
import { suggestionHint } from './suggest.ts'
import { pointerTo, type Spot, toJson, type YamlMap } from './yaml-value.ts'

/** null: an optional param without a value. */
export type ParamValue = null | ParamScalar | readonly ParamScalar[]

export type ResolvedParam =
  | {
      readonly known: true
      readonly value: ParamValue
      /** Where the value was written. */
      readonly spot: Spot
    }
  /** Declared, but what it is cannot be told: the fault is reported once, here, and not at each use. */
  | { readonly known: false }

export type ResolvedParams = ReadonlyMap<string, ResolvedParam>

/** A value from outside of the file, the last of equal names first. */
export type GivenParam =
  | { readonly kind: 'text'; readonly text: string; readonly spot: Spot }
  | { readonly kind: 'value'; readonly value: Json; readonly keySpot: Spot; readonly spot: Spot }
  /** Its fault has been reported. */
  | { readonly kind: 'unknown' }

export interface ParamsToResolve {
  readonly declared: YamlMap | undefined
  readonly given: ReadonlyMap<string, GivenParam>
  /** JSON pointers, from the file's root, of values that already have a fault of form in them. */
  readonly faulty: ReadonlySet<string>
  /** Who uses the file, if another workflow does: what it leaves out is reported there. */
  readonly caller?: { readonly workflow: string; readonly spot: Spot }
}

const NAME = /^[A-Za-z_][A-Za-z0-9_-]*$/

export function resolveParams(
  { declared, given, faulty, caller }: ParamsToResolve,
  faults: Faults,
): ResolvedParams {
  const resolved = new Map<string, ResolvedParam>()
  for (const { key: name, keySpot, value: written } of declared?.entries.values() ?? []) {
    if (!NAME.test(name)) {
      faults.add(keySpot, 'bad-name', `\`${name}\` cannot name a param`, 'use letters, digits, `_` and `-`')
    }
    const pointer = pointerTo('/params', name)
    if (faulty.has(pointer) || written.kind !== 'map') {
      resolved.set(name, { known: false })
      continue
    }
    const declaration = toJson(written) as ParamDeclaration
    const isSound = checkDeclaration(name, keySpot, written, declaration, faults)
    const outer = given.get(name)
    if (outer !== undefined) {
      resolved.set(name, isSound ? resolveGiven(name, outer, declaration, faults) : { known: false })
    } else if (declaration.default === undefined && declaration.optional === true) {
      resolved.set(name, { known: true, value: null, spot: keySpot })
    } else if (declaration.default === undefined) {
      if (caller === undefined) {
        const hint = `give it a \`default\`, or run with \`--param ${name}=...\``
        faults.add(keySpot, 'missing-param', `param \`${name}\` has no value`, hint)
      } else {
        const message = `workflow \`${caller.workflow}\` needs param \`${name}\``
        faults.add(caller.spot, 'missing-param', message, `add \`${name}: ...\` to \`with\``)
      }
      resolved.set(name, { known: false })
    } else {
      const spot = written.entries.get('default')?.value.spot ?? keySpot
      resolved.set(name, isSound ? { known: true, value: declaration.default, spot } : { known: false })
    }
  }
  for (const [name, value] of given) {
    if (resolved.has(name) || value.kind === 'unknown') continue
    const hint = suggestionHint(name, [...resolved.keys()], 'params')
    const spot = value.kind === 'text' ? value.spot : value.keySpot
    const workflow = caller === undefined ? 'the workflow' : `workflow \`${caller.workflow}\``
    faults.add(spot, 'unknown-param', `${workflow} has no param \`${name}\``, hint)
  }
  return resolved
}

function checkDeclaration(
  name: string,
  keySpot: Spot,
  written: YamlMap,
  declaration: ParamDeclaration,
  faults: Faults,
): boolean {
  const before = faults.count
  const spotOf = (field: string) => written.entries.get(field)?.value.spot ?? keySpot
  const { type, minimum, maximum } = declaration
  if (type === undefined && declaration.enum === undefined) {
    faults.add(keySpot, 'missing-field', `param \`${name}\` needs \`type\` or \`enum\``)
  }
  const isNumeric = type === 'integer' || type === 'number'
  for (const bound of ['minimum', 'maximum'] as const) {
    if (declaration[bound] === undefined || isNumeric) continue
    const entry = written.entries.get(bound)
    faults.add(
      entry?.keySpot ?? keySpot,
      'bad-param',
      `\`${bound}\` means nothing for a param that is not of type \`integer\` or \`number\``,
    )
  }
  if (isNumeric && minimum !== undefined && maximum !== undefined && minimum > maximum) {
    faults.add(spotOf('maximum'), 'bad-param', `\`maximum\` ${maximum} is less than \`minimum\` ${minimum}`)
  }
  const choices = written.entries.get('enum')?.value
  const single = type === 'array' ? declaration.items : type
  declaration.enum?.forEach((choice, index) => {
    if (single === undefined || hasType(choice, single)) return
    const spot = choices?.kind === 'list' ? choices.items[index]!.spot : spotOf('enum')
    faults.add(
      spot,
      'wrong-type',
      `a choice of param \`${name}\` must be ${typeName(single)}, not ${inWords(choice)}`,
    )
  })
  if (declaration.items !== undefined && type !== 'array') {
    const entry = written.entries.get('items')
    const message = '`items` means nothing for a param that is not of type `array`'
    faults.add(entry?.keySpot ?? keySpot, 'bad-param', message)
  }
  if (faults.count === before && declaration.default !== undefined) {
    checkValue(name, declaration.default, declaration, spotOf('default'), faults)
  }
  return faults.count === before
}

function resolveGiven(
  name: string,
  given: GivenParam,
  declaration: ParamDeclaration,
  faults: Faults,
): ResolvedParam {
  if (given.kind === 'unknown') return { known: false }
  const { spot } = given
  if (given.kind === 'value' && given.value === null && declaration.optional === true) {
    return { known: true, value: null, spot }
  }
  const value = given.kind === 'text' ? readGiven(given.text, declaration, spot, faults) : given.value
  if (value === undefined || !checkValue(name, value, declaration, spot, faults)) return { known: false }
  return { known: true, value: value as ParamValue, spot }
}

/** Text stays text where a string is asked for: `--param tag=007` is "007". */
function readGiven(text: string, declaration: ParamDeclaration, spot: Spot, faults: Faults): unknown {
  if (declaration.type === 'string' || declaration.enum?.includes(text)) return text
  const before = faults.count
  const { root } = parseYaml(text, spot.file, faults, false)
  if (faults.count > before) return undefined
  return root === undefined ? text : toJson(root)
}

function checkValue(
  name: string,
  value: unknown,
  declaration: ParamDeclaration,
  spot: Spot,
  faults: Faults,
): boolean {
  const { type, minimum, maximum } = declaration
  const fault = (code: string, must: string, hint?: string) => {
    faults.add(spot, code, `param \`${name}\` must be ${must}, not ${inWords(value)}`, hint)
    return false
  }
  if (type === 'array' && Array.isArray(value)) {
    const { type: _, items, ...rest } = declaration
    const each = { ...rest, ...(items !== undefined && { type: items }) }
    return value.every((item, index) => checkValue(`${name}.${index}`, item, each, spot, faults))
  }
  if (type !== undefined && !hasType(value, type)) return fault('wrong-type', typeName(type))
  if (type === undefined && typeof value === 'object') return fault('wrong-type', 'a plain value')
  if (declaration.enum !== undefined && !declaration.enum.includes(value as ParamScalar)) {
    const names = declaration.enum.map(choiceName)
    const near = typeof value === 'string' ? suggestionHint(value, declaration.enum.map(String)) : undefined
    return fault('not-a-choice', alternatives(names), near?.startsWith('did') ? near : undefined)
  }
  if (typeof value !== 'number') return true
  if (minimum !== undefined && value < minimum) return fault('out-of-range', `at least ${minimum}`)
  if (maximum !== undefined && value > maximum) return fault('out-of-range', `at most ${maximum}`)
  return true
}

function hasType(value: unknown, type: NonNullable<ParamDeclaration['type']>): boolean {
  if (type === 'array') return Array.isArray(value)
  return type === 'integer' ? Number.isInteger(value) : typeof value === type
}
