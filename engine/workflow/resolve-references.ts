/** @file Replaces `${{ ... }}` by what it leads to, and reports what leads nowhere. */
import { isDeepStrictEqual } from 'node:util'
import type { Json } from '../identity.ts'
import { type Expression, parseExpression } from './expression.ts'
import { inWords } from './in-words.ts'
import type { Scope, Value } from './scope.ts'
import { suggestionHint } from './suggest.ts'
import type { Template } from './template.ts'
import { jsonFields, narrowSpot, pointerTo, type YamlScalar, type YamlValue } from './yaml-value.ts'

const unknown: Value = { kind: 'unknown' }

/** The value of an input: a path's text, params filled in, or where the value comes from. */
export function resolveInput(scalar: YamlScalar, scope: Scope): Value {
  const { value, templates } = scalar
  if (typeof value !== 'string') return { kind: 'data', value }
  const only = wholeTemplate(scalar)
  if (only !== undefined) return evaluate(only, scope)
  const text = interpolate(value, templates, 'a path', scope)
  return text === undefined ? unknown : { kind: 'data', value: text }
}

/** An output's path, params filled in. */
export function resolveOutputPath(scalar: YamlScalar, scope: Scope): string | undefined {
  if (typeof scalar.value !== 'string') return undefined
  return interpolate(scalar.value, scalar.templates, 'an output path', scope)
}

/** Of `when`: undefined where a fault was reported. An input or output counts as true where it exists. */
export function resolveCondition(scalar: YamlScalar, scope: Scope): boolean | undefined {
  const only = wholeTemplate(scalar)
  const value: Value = only === undefined ? { kind: 'data', value: scalar.value } : evaluate(only, scope)
  if (value.kind === 'unknown') return undefined
  if (value.kind !== 'data') return value.kind !== 'absent'
  if (typeof value.value === 'boolean') return value.value
  const hint = 'write `${{ params.NAME == VALUE }}`'
  const message = `a condition must be true or false, not ${inWords(value.value)}`
  scope.faults.add(scalar.spot, 'wrong-type', message, hint)
  return undefined
}

/** Plain data only: undefined where a fault was reported. `what` it stands for, for messages: "a parameter". */
export function resolveScalarData(scalar: YamlScalar, what: string, scope: Scope): Json | undefined {
  if (typeof scalar.value !== 'string' || scalar.templates.length === 0) return scalar.value
  const only = wholeTemplate(scalar)
  if (only !== undefined) return evaluateData(only, what, scope)
  return interpolate(scalar.value, scalar.templates, what, scope)
}

export interface ResolvedData {
  readonly data: Json
  /** JSON pointers to what could not be resolved; null stands there. */
  readonly unknown: ReadonlySet<string>
}

/** Stage parameters: a reference that is the whole value keeps the param's type, one within a text becomes text. */
export function resolveData(value: YamlValue, scope: Scope): ResolvedData {
  const unknown = new Set<string>()
  const resolve = (part: YamlValue, pointer: string): Json => {
    switch (part.kind) {
      case 'list':
        return part.items.map((item, index) => resolve(item, pointerTo(pointer, index)))
      case 'map':
        return jsonFields(part, ({ key, value }) => resolve(value, pointerTo(pointer, key)))
      case 'scalar': {
        const resolved = resolveScalarData(part, 'a parameter', scope)
        if (resolved !== undefined) return resolved
        unknown.add(pointer)
        return null
      }
      default:
        return part satisfies never
    }
  }
  return { data: resolve(value, ''), unknown }
}

/** The template that is all of a value. */
function wholeTemplate({ value, templates }: YamlScalar): Template | undefined {
  const [only] = templates
  return only !== undefined && typeof value === 'string' && only.text === value.trim() ? only : undefined
}

/** Undefined where any of the references cannot be resolved; all of them are reported. */
function interpolate(
  value: string,
  templates: readonly Template[],
  what: string,
  scope: Scope,
): string | undefined {
  let text = ''
  let end = 0
  let isComplete = true
  for (const template of templates) {
    const data = evaluateData(template, what, scope)
    if (data === undefined) isComplete = false
    text +=
      value.slice(end, template.index) + (typeof data === 'object' ? JSON.stringify(data) : String(data))
    end = template.index + template.text.length
  }
  return isComplete ? text + value.slice(end) : undefined
}

function evaluateData(template: Template, what: string, scope: Scope): Json | undefined {
  const value = evaluate(template, scope)
  switch (value.kind) {
    case 'data':
      return value.value
    case 'unknown':
      return undefined
    case 'source':
    case 'sources':
    case 'absent': {
      const hint = what === 'a path' ? 'let the reference be the whole value' : 'outputs of nodes go to `in`'
      const isInput = /^\$\{\{\s*inputs\./.test(template.text)
      const subject = isInput ? 'an input' : "a node's output"
      scope.faults.add(template.spot, 'misplaced-reference', `${subject} cannot stand within ${what}`, hint)
      return undefined
    }
    default:
      return value satisfies never
  }
}

function evaluate(template: Template, scope: Scope): Value {
  const expression = parseExpression(template)
  if (expression.kind === 'malformed') {
    scope.faults.add(template.spot, 'bad-reference', expression.message, expression.hint)
    return unknown
  }
  return evaluateExpression(expression, template, scope)
}

function evaluateExpression(expression: Expression, template: Template, scope: Scope): Value {
  switch (expression.kind) {
    case 'literal':
      return { kind: 'data', value: expression.value }
    case 'reference':
      return resolveReference(expression, template, scope)
    case 'not': {
      const operand = evaluateExpression(expression.operand, template, scope)
      return operand.kind === 'unknown' ? unknown : { kind: 'data', value: !isTrue(operand) }
    }
    case 'binary':
      return evaluateBinary(expression, template, scope)
    default:
      return expression satisfies never
  }
}

function evaluateBinary(
  { operator, left, right }: Expression & { kind: 'binary' },
  template: Template,
  scope: Scope,
): Value {
  const first = evaluateExpression(left, template, scope)
  // Both sides are always read: a slip on the side that is not taken today is one all the same.
  const second = evaluateExpression(right, template, scope)
  if (first.kind === 'unknown' || second.kind === 'unknown') return unknown
  switch (operator) {
    case '&&':
      return isTrue(first) ? second : first
    case '||':
      return isTrue(first) ? first : second
    case '??':
      return first.kind === 'absent' || (first.kind === 'data' && first.value === null) ? second : first
    case '==':
    case '!=': {
      if (first.kind !== 'data' || second.kind !== 'data') {
        const message = `\`${operator}\` compares plain values, not inputs and outputs of nodes`
        scope.faults.add(template.spot, 'misplaced-reference', message)
        return unknown
      }
      return { kind: 'data', value: isDeepStrictEqual(first.value, second.value) === (operator === '==') }
    }
    default:
      return operator satisfies never
  }
}

/** false, 0, "" and null are not; a value of a node is, where it exists. */
function isTrue(value: Value): boolean {
  return value.kind === 'data' ? Boolean(value.value) : value.kind !== 'absent'
}

function resolveReference(
  { segments }: Expression & { kind: 'reference' },
  template: Template,
  scope: Scope,
): Value {
  const [root, first] = segments
  const { faults, loop } = scope
  const spotOf = ({ start, end }: (typeof segments)[number]) => narrowSpot(template.spot, start, end)
  const missing = (code: string, message: string, hint?: string): Value => {
    faults.add(spotOf(first ?? root!), code, message, hint)
    return unknown
  }
  switch (root!.name) {
    case 'params': {
      const param = scope.params.get(first!.name)
      if (param === undefined) {
        const hint = suggestionHint(first!.name, [...scope.params.keys()], 'params')
        return missing('unknown-param', `there is no param \`${first!.name}\``, hint)
      }
      return param.known ? { kind: 'data', value: param.value, origin: param.spot } : unknown
    }
    case 'inputs': {
      const input = scope.inputs?.get(first!.name)
      if (input !== undefined) return at(input, template.spot)
      const known = [...(scope.inputs?.keys() ?? [])]
      const hint =
        known.length === 0 ? 'the file declares no `inputs`' : suggestionHint(first!.name, known, 'inputs')
      return missing('unknown-input', `there is no input \`${first!.name}\``, hint)
    }
    case 'matrix': {
      if (loop.faulty) return unknown
      const value = loop.matrix?.[first!.name]
      if (value !== undefined) return { kind: 'data', value }
      const axes = Object.keys(loop.matrix ?? {})
      const hint = axes.length === 0 ? 'the node has no `matrix`' : suggestionHint(first!.name, axes, 'axes')
      return missing('unknown-loop', `there is no axis \`${first!.name}\``, hint)
    }
    case 'each':
      if (loop.faulty) return unknown
      if (loop.each === undefined) return missing('unknown-loop', 'the node has no `foreach`')
      return eachValue(loop.each, segments, missing)
    case 'round':
      if (loop.faulty && loop.round === undefined) return unknown
      if (loop.round === undefined) return missing('unknown-loop', 'the node has no `repeat`')
      return { kind: 'data', value: loop.round }
    default: {
      const all = segments.length === 4
      const last = segments.at(-1)!
      if (first!.name !== scope.self) {
        return scope.output({
          node: first!.name,
          port: last.name,
          all,
          nodeSpot: () => spotOf(first!),
          portSpot: () => spotOf(last),
          spot: template.spot,
        })
      }
      faults.add(spotOf(first!), 'self-reference', `node \`${first!.name}\` takes its own output as input`)
      return unknown
    }
  }
}

function eachValue(
  each: Json,
  segments: readonly { readonly name: string }[],
  missing: (code: string, message: string) => Value,
): Value {
  let value: Json | undefined = each
  for (const { name } of segments.slice(1)) {
    const fields: Json = typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
    value = Object.hasOwn(fields, name) ? (fields as Readonly<Record<string, Json>>)[name] : undefined
    if (value === undefined) return missing('unknown-loop', `the values of \`foreach\` have no \`${name}\``)
  }
  return { kind: 'data', value }
}

/** The value of an input of the file, as if it had been written where it is used. */
function at(input: Value, spot: Template['spot']): Value {
  return input.kind === 'source' ? { kind: 'source', source: { ...input.source, spot } } : input
}
