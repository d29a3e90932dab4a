/** @file Why two keys differ, in one short line a cause. */
import type { Json, JsonObject } from '../identity.ts'
import { canonicalJson } from './canonical-json.ts'
import type { InputHashes, KeyPreimage } from './key.ts'

const SHOWN_CHARACTERS = 48

/**
 * Lines such as `params.learning_rate 2e-4 -> 1e-4`, `input data changed`, `stage code: stages/clean/index.ts changed`;
 * none where the keys are equal. Inputs come first: they are what most often changed.
 */
export function explainDifference(before: KeyPreimage, after: KeyPreimage): string[] {
  return [
    ...(before.schema === after.schema ? [] : [`key schema ${before.schema} -> ${after.schema}`]),
    ...(before.stage === after.stage ? [] : [`stage ${before.stage} -> ${after.stage}`]),
    ...inputDifferences(before.inputs, after.inputs),
    ...objectDifferences('params', before.params, after.params),
    ...codeDifferences(before, after),
    ...outputDifferences(before.outputs, after.outputs),
    ...environmentDifferences(before.environment, after.environment),
  ]
}

function inputDifferences(before: InputHashes, after: InputHashes): string[] {
  return compareKeys(before, after).flatMap(({ name, change }) => {
    if (change !== 'changed') return [`input ${name} ${change}`]
    const [old, now] = [before[name]!, after[name]!]
    if (typeof old === 'string' || typeof now === 'string') return [`input ${name} changed`]
    return compareKeys(old, now).map((label) => `input ${name}.${label.name} ${label.change}`)
  })
}

function codeDifferences(before: KeyPreimage, after: KeyPreimage): string[] {
  if (before.code === after.code) return []
  const changes = compareKeys(before.sources ?? {}, after.sources ?? {})
  if (changes.length === 0 || !before.sources || !after.sources) return ['stage code changed']
  return changes.map(({ name, change }) => `stage code: ${name} ${change}`)
}

function outputDifferences(before: KeyPreimage['outputs'], after: KeyPreimage['outputs']): string[] {
  return compareKeys(before, after).map(({ name, change }) =>
    change === 'changed'
      ? `output ${name}: type ${before[name]} -> ${after[name]}`
      : `output ${name} ${change}`,
  )
}

/** Values are never shown: they may be secrets, and are digests here anyway. */
function environmentDifferences(
  before: KeyPreimage['environment'],
  after: KeyPreimage['environment'],
): string[] {
  return compareKeys(before, after).map(({ name, change }) => {
    if (change === 'changed' && before[name] === null) return `environment ${name} is now set`
    if (change === 'changed' && after[name] === null) return `environment ${name} is no longer set`
    return `environment ${name} ${change}`
  })
}

function objectDifferences(place: string, before: JsonObject, after: JsonObject): string[] {
  return compareKeys(before, after).flatMap(({ name, change }) => {
    const [path, old, now] = [`${place}.${name}`, before[name], after[name]]
    if (change === 'added') return [`${path} added: ${show(now!)}`]
    if (change === 'removed') return [`${path} removed (was ${show(old!)})`]
    if (isObject(old) && isObject(now)) return objectDifferences(path, old, now)
    return [`${path} ${show(old!)} -> ${show(now!)}`]
  })
}

interface KeyChange {
  readonly name: string
  readonly change: 'added' | 'removed' | 'changed'
}

/** Names whose values differ, sorted by code unit. */
function compareKeys(
  before: Readonly<Record<string, unknown>>,
  after: Readonly<Record<string, unknown>>,
): KeyChange[] {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
  return names.flatMap((name): KeyChange[] => {
    if (!Object.hasOwn(before, name)) return [{ name, change: 'added' }]
    if (!Object.hasOwn(after, name)) return [{ name, change: 'removed' }]
    return canonicalJson(before[name]) === canonicalJson(after[name]) ? [] : [{ name, change: 'changed' }]
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
