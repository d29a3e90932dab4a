/** @file How many nodes one declaration stands for: `foreach`, `matrix` and `repeat`. */
import type { Json } from '../identity.ts'
import { NodeDeclaration } from './file-schema.ts'
import { resolveScalarData } from './resolve-references.ts'
import type { Loop, Scope } from './scope.ts'
import { mapAt, type YamlEntry, type YamlMap, type YamlValue } from './yaml-value.ts'

/** One of the nodes that a declaration with `foreach` or `matrix` stands for. */
export interface Instance {
  /** In the node's id, and the label of what is collected: `seed=1,rate=0.1`. Undefined where there is but one. */
  readonly label: string | undefined
  readonly loop: Loop
}

/** Stands for all, where what they are cannot be told: the rest of the declaration is checked once. */
const faulty: Instance = { label: undefined, loop: { faulty: true } }
const MAX_INSTANCES = 10_000
const SIMPLE = /^[A-Za-z0-9._+-]{1,40}$/

/** Without `foreach` and `matrix`, one instance without a label. */
export function instancesOf(node: YamlMap, scope: Scope): readonly Instance[] {
  if (hasStrangeField(node)) return [faulty]
  const foreach = node.entries.get('foreach')
  const matrix = node.entries.get('matrix')
  if (foreach !== undefined && matrix !== undefined) {
    const hint = 'a `matrix` of two axes combines them'
    scope.faults.add(foreach.keySpot, 'bad-loop', 'a node has `foreach` or `matrix`, not both', hint)
  }
  if (foreach !== undefined) {
    const values = valuesOf(foreach, scope)
    if (values === undefined) return [faulty]
    const labels = labelsOf(values)
    return values.map((each, index) => ({ label: labels[index], loop: { each } }))
  }
  if (matrix?.value.kind === 'map') return combinations(matrix.value, scope)
  return [{ label: undefined, loop: {} }]
}

/** Told with the file's form; it may be a misspelt `repeat`, `foreach` or `matrix`. */
function hasStrangeField(node: YamlMap): boolean {
  return [...node.entries.keys()].some((field) => !Object.hasOwn(NodeDeclaration.properties, field))
}

function combinations(matrix: YamlMap, scope: Scope): readonly Instance[] {
  let found: { label: string; matrix: Readonly<Record<string, Json>> }[] = [{ label: '', matrix: {} }]
  for (const axis of matrix.entries.values()) {
    const values = valuesOf(axis, scope)
    if (values === undefined) return [faulty]
    const labels = labelsOf(values)
    if (found.length * values.length > MAX_INSTANCES) {
      const message = `the matrix stands for more than ${MAX_INSTANCES} nodes`
      scope.faults.add(axis.keySpot, 'too-many-nodes', message)
      break
    }
    found = found.flatMap((one) =>
      values.map((value, index) => ({
        label: `${one.label === '' ? '' : `${one.label},`}${axis.key}=${labels[index]}`,
        matrix: { ...one.matrix, [axis.key]: value },
      })),
    )
  }
  return found.map(({ label, matrix }) => ({ label, loop: { matrix } }))
}

/** The values themselves where they make short names, each its own; else their numbers. */
function labelsOf(values: readonly Json[]): string[] {
  const texts = values.map((value) => (typeof value === 'object' ? '' : String(value)))
  const areNames = texts.every((text) => SIMPLE.test(text) && text !== '.' && text !== '..')
  if (areNames && new Set(texts).size === texts.length) return texts
  return texts.map((_, index) => String(index + 1))
}

/** The values of a list, or of a param that holds one; undefined where a fault was reported. */
function valuesOf({ key, value }: YamlEntry, scope: Scope): readonly Json[] | undefined {
  const refuse = (message: string) => {
    scope.faults.add(
      value.spot,
      'wrong-type',
      `\`${key}\` ${message}`,
      '`[1, 2, 3]`, or a param that is a list',
    )
    return undefined
  }
  if (value.kind === 'map') return undefined
  const data = dataOf(value, scope)
  if (data === undefined) return undefined
  if (!Array.isArray(data)) return refuse('must be a list of values')
  // Of a list that is written out, this has been told with the file's form.
  if (data.length === 0) return value.kind === 'list' ? undefined : refuse('must not be empty')
  if (data.length <= MAX_INSTANCES) return data
  scope.faults.add(value.spot, 'too-many-nodes', `\`${key}\` stands for more than ${MAX_INSTANCES} nodes`)
  return undefined
}

function dataOf(value: YamlValue, scope: Scope): Json | undefined {
  switch (value.kind) {
    case 'scalar':
      return resolveScalarData(value, 'a list of values', scope)
    case 'list': {
      const items = value.items.map((item) => dataOf(item, scope))
      return items.includes(undefined) ? undefined : (items as Json[])
    }
    case 'map': {
      const fields = [...value.entries.values()].map(
        (entry) => [entry.key, dataOf(entry.value, scope)] as const,
      )
      return fields.some(([, field]) => field === undefined)
        ? undefined
        : (Object.fromEntries(fields) as Json)
    }
    default:
      return value satisfies never
  }
}

export interface Rounds {
  /** 0: what is carried passes through. */
  readonly times: number
  readonly carry: readonly YamlEntry[]
}

const MAX_ROUNDS = 1000

/** Undefined where the node has no `repeat`. A faulty number counts as one, so that the rest is checked. */
export function roundsOf(node: YamlMap, scope: Scope): Rounds | undefined {
  const repeat = mapAt(node, 'repeat')
  if (repeat === undefined) return undefined
  const carry = [...(mapAt(repeat, 'carry')?.entries.values() ?? [])]
  const written = repeat.entries.get('times')?.value
  if (written?.kind !== 'scalar') return { times: 1, carry }
  const times = resolveScalarData(written, 'a number of rounds', scope)
  if (times === undefined) return { times: 1, carry }
  if (typeof times === 'number' && Number.isInteger(times) && times >= 0 && times <= MAX_ROUNDS) {
    return { times, carry }
  }
  // As above: what is written out has been checked.
  if (written.templates.length === 0) return { times: 1, carry }
  const message = `\`times\` must be a whole number from 0 to ${MAX_ROUNDS}, not ${JSON.stringify(times)}`
  scope.faults.add(written.spot, 'out-of-range', message)
  return { times: 1, carry }
}
