/** @file Where two keys differ, part by part, and each difference in one short line. */
import type { Json, JsonObject } from '../identity.ts'
import { canonicalJson } from './canonical-json.ts'
import type { InputHashes, KeyPreimage } from './key.ts'

const SHOWN_CHARACTERS = 48

export interface KeyDifference {
  readonly part: 'schema' | 'stage' | 'input' | 'params' | 'code' | 'output' | 'environment'
  /**
   * Of an input its port (`data`) or port and label (`logs.SFT`), of a parameter its dotted path, of code the file
   * or package; '' where the part as a whole differs.
   */
  readonly name: string
  readonly change: 'added' | 'removed' | 'changed'
  /** Of inputs and code hashes, of variables digests. */
  readonly before?: Json
  readonly after?: Json
  /** Of inputs. */
  readonly port?: string
  readonly label?: string
}

/** None where the keys are equal. Inputs come first: they are what most often changed. */
export function keyDifferences(before: KeyPreimage, after: KeyPreimage): KeyDifference[] {
  return [
    ...wholeDifference('schema', before.schema, after.schema),
    ...wholeDifference('stage', before.stage, after.stage),
    ...inputDifferences(before.inputs, after.inputs),
    ...paramDifferences('', before.params, after.params),
    ...codeDifferences(before, after),
    ...compareKeys(before.outputs, after.outputs).map((change) => ({ part: 'output' as const, ...change })),
    ...compareKeys(before.environment, after.environment).map((change) => ({
      part: 'environment' as const,
      ...change,
    })),
  ]
}

/**
 * A line such as `params.learning_rate 2e-4 -> 1e-4` or `stage code: stages/clean/index.ts changed`. `content` says
 * what is different in a changed input: `input data: 1 of 64 rows differs`.
 */
export function differenceText(difference: KeyDifference, content?: string): string {
  const { part, name, change, before, after } = difference
  switch (part) {
    case 'schema':
      return `key schema ${before} -> ${after}`
    case 'stage':
      return `stage ${before} -> ${after}`
    case 'input':
      if (content !== undefined) return `input ${name}: ${content}`
      return `input ${name} ${change}`
    case 'params':
      if (change === 'added') return `params.${name} added: ${show(after!)}`
      if (change === 'removed') return `params.${name} removed (was ${show(before!)})`
      return `params.${name} ${show(before!)} -> ${show(after!)}`
    case 'code':
      return name === '' ? 'stage code changed' : `stage code: ${codeText(difference)}`
    case 'output':
      if (change === 'changed') return `output ${name}: type ${before} -> ${after}`
      return `output ${name} ${change}`
    case 'environment':
      // Values are never shown: they may be secrets, and are digests here anyway.
      if (change === 'changed' && before === null) return `environment ${name} is now set`
      if (change === 'changed' && after === null) return `environment ${name} is no longer set`
      return `environment ${name} ${change}`
    default:
      return part satisfies never
  }
}

function wholeDifference(part: 'schema' | 'stage', before: Json, after: Json): KeyDifference[] {
  return before === after ? [] : [{ part, name: '', change: 'changed', before, after }]
}

function inputDifferences(before: InputHashes, after: InputHashes): KeyDifference[] {
  return compareKeys(before, after).flatMap((port): KeyDifference[] => {
    const [old, now] = [before[port.name], after[port.name]]
    if (typeof old !== 'object' || typeof now !== 'object') {
      return [{ part: 'input', ...port, port: port.name }]
    }
    return compareKeys(old, now).map((label) => ({
      part: 'input',
      ...label,
      name: `${port.name}.${label.name}`,
      port: port.name,
      label: label.name,
    }))
  })
}

function paramDifferences(prefix: string, before: JsonObject, after: JsonObject): KeyDifference[] {
  return compareKeys(before, after).flatMap((change): KeyDifference[] => {
    const name = `${prefix}${change.name}`
    if (isObject(change.before) && isObject(change.after)) {
      return paramDifferences(`${name}.`, change.before, change.after)
    }
    return [{ part: 'params', ...change, name }]
  })
}

function codeDifferences(before: KeyPreimage, after: KeyPreimage): KeyDifference[] {
  if (before.code === after.code) return []
  const unnamed: KeyDifference = {
    part: 'code',
    name: '',
    change: 'changed',
    before: before.code,
    after: after.code,
  }
  if (!before.sources || !after.sources) return [unnamed]
  const files = compareKeys(before.sources, after.sources)
  const packages =
    before.packages === undefined || after.packages === undefined
      ? []
      : compareKeys(versionsOf(before.packages), versionsOf(after.packages))
  const changes = [...files, ...packages].map((change) => ({ part: 'code' as const, ...change }))
  return changes.length === 0 ? [unnamed] : changes
}

/** `@scope/name@1.2.3` -> "package @scope/name": "1.2.3" */
function versionsOf(packages: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    packages.map((text) => {
      const at = text.lastIndexOf('@')
      return [`package ${text.slice(0, at)}`, text.slice(at + 1)]
    }),
  )
}

function codeText({ name, change, before, after }: KeyDifference): string {
  return change === 'changed' && name.startsWith('package ')
    ? `${name} ${before} -> ${after}`
    : `${name} ${change}`
}

type KeyChange = Pick<KeyDifference, 'name' | 'change' | 'before' | 'after'>

/** Names whose values differ, sorted by code unit. */
function compareKeys(
  before: Readonly<Record<string, Json>>,
  after: Readonly<Record<string, Json>>,
): KeyChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap((name): KeyChange[] => {
    const [old, now] = [before[name], after[name]]
    if (!Object.hasOwn(before, name)) return [{ name, change: 'added', after: now! }]
    if (!Object.hasOwn(after, name)) return [{ name, change: 'removed', before: old! }]
    if (canonicalJson(old) === canonicalJson(now)) return []
    return [{ name, change: 'changed', before: old!, after: now! }]
  })
}

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function show(value: Json): string {
  const text = typeof value === 'number' ? showNumber(value) : canonicalJson(value)
  return text.length <= SHOWN_CHARACTERS ? text : `${text.slice(0, SHOWN_CHARACTERS - 3)}...`
}

/** 0.0002 reads as `2e-4`, the way learning rates are written. */
function showNumber(value: number): string {
  const plain = String(value)
  const exponential = value.toExponential()
  return Number.isInteger(value) || plain.length <= exponential.length ? plain : exponential
}
