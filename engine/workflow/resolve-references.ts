/** @file Replaces `${{ params.x }}` by values and `${{ nodes.n.port }}` by links, and reports those that lead nowhere. */
import type { Json } from '../identity.ts'
import type { StageManifest } from '../stage/catalog.ts'
import type { Faults } from './faults.ts'
import type { ResolvedParams } from './resolve-params.ts'
import { suggestionHint } from './suggest.ts'
import { parseReference, type Template } from './template.ts'
import { narrowSpot, pointerTo, type Spot, type YamlScalar, type YamlValue } from './yaml-value.ts'

/** What references can lead to. */
export interface Scope {
  readonly params: ResolvedParams
  /** Every node of the file -> its stage, undefined where that is not known. */
  readonly stages: ReadonlyMap<string, StageManifest | undefined>
  readonly faults: Faults
}

export interface NodeLink {
  readonly node: string
  readonly port: string
  /** Type of the value; undefined where the producer's stage is not known. */
  readonly type: string | undefined
  readonly spot: Spot
}

export type InputText =
  | {
      readonly kind: 'path'
      readonly text: string
      readonly spot: Spot /** Where the param's value was written. */
      readonly origin?: Spot
    }
  | ({ readonly kind: 'node' } & NodeLink)

/** An input's text: a path, params filled in, or a link to a node. Undefined where a fault was reported. */
export function resolveInput(scalar: YamlScalar, self: string, scope: Scope): InputText | undefined {
  const { value, templates, spot } = scalar
  if (typeof value !== 'string') return undefined
  const [only] = templates
  if (only !== undefined && only.text === value.trim()) {
    const reference = parseReference(only)
    if (reference.kind === 'output') return resolveLink(only, self, scope)
    const param = resolveParam(only, scope)
    if (param === undefined) return undefined
    if (typeof param.value === 'string') return { kind: 'path', text: param.value, spot, origin: param.spot }
    const name = only.text.slice(3, -2).trim()
    scope.faults.add(spot, 'wrong-type', `a path must be a string; \`${name}\` is ${String(param.value)}`)
    return undefined
  }
  const text = interpolate(value, templates, 'a path', scope)
  return text === undefined ? undefined : { kind: 'path', text, spot }
}

/** An output's path, params filled in. */
export function resolveOutputPath(scalar: YamlScalar, scope: Scope): string | undefined {
  if (typeof scalar.value !== 'string') return undefined
  return interpolate(scalar.value, scalar.templates, 'an output path', scope)
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
        return Object.fromEntries(
          [...part.entries.values()].map(({ key, value }) => [key, resolve(value, pointerTo(pointer, key))]),
        )
      case 'scalar': {
        if (typeof part.value !== 'string' || part.templates.length === 0) return part.value
        const resolved = resolveScalar(part.value, part.templates, scope)
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

function resolveScalar(value: string, templates: readonly Template[], scope: Scope): Json | undefined {
  const [only] = templates
  if (only !== undefined && only.text === value.trim()) return resolveParam(only, scope, 'a parameter')?.value
  return interpolate(value, templates, 'a parameter', scope)
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
    const param = resolveParam(template, scope, what)
    if (param === undefined) isComplete = false
    text += value.slice(end, template.index) + String(param?.value ?? '')
    end = template.index + template.text.length
  }
  return isComplete ? text + value.slice(end) : undefined
}

/** `what` it is that only a param can stand in, for the message about a node's output in its place. */
function resolveParam(template: Template, scope: Scope, what = 'a path') {
  const reference = parseReference(template)
  const { params, faults } = scope
  switch (reference.kind) {
    case 'malformed':
      faults.add(template.spot, 'bad-reference', reference.message, reference.hint)
      return undefined
    case 'output': {
      const hint = what === 'a path' ? 'let the reference be the whole value' : 'outputs of nodes go to `in`'
      faults.add(template.spot, 'misplaced-reference', `a node's output cannot stand within ${what}`, hint)
      return undefined
    }
    case 'param': {
      const { start, end } = reference.nameAt
      const param = params.get(reference.name)
      if (param === undefined) {
        const hint = suggestionHint(reference.name, [...params.keys()], 'params')
        faults.add(
          narrowSpot(template.spot, start, end),
          'unknown-param',
          `there is no param \`${reference.name}\``,
          hint,
        )
      }
      return param?.known === true ? param : undefined
    }
    default:
      return reference satisfies never
  }
}

function resolveLink(template: Template, self: string, scope: Scope): InputText | undefined {
  const reference = parseReference(template)
  if (reference.kind !== 'output') return undefined
  const { node, port } = reference
  const { stages, faults } = scope
  const nodeSpot = narrowSpot(template.spot, reference.nodeAt.start, reference.nodeAt.end)
  if (node === self) {
    faults.add(nodeSpot, 'self-reference', `node \`${node}\` takes its own output as input`)
    return undefined
  }
  if (!stages.has(node)) {
    faults.add(
      nodeSpot,
      'unknown-node',
      `there is no node \`${node}\``,
      suggestionHint(node, [...stages.keys()], 'nodes'),
    )
    return undefined
  }
  const stage = stages.get(node)
  if (stage === undefined) return { kind: 'node', node, port, type: undefined, spot: template.spot }
  const output = Object.hasOwn(stage.outputs, port) ? stage.outputs[port] : undefined
  if (output === undefined) {
    const hint = suggestionHint(port, Object.keys(stage.outputs), 'its outputs')
    const spot = narrowSpot(template.spot, reference.portAt.start, reference.portAt.end)
    faults.add(
      spot,
      'unknown-port',
      `node \`${node}\` (stage \`${stage.name}\`) has no output \`${port}\``,
      hint,
    )
    // The edge exists all the same: a cycle through it is a fault of its own.
    return { kind: 'node', node, port, type: undefined, spot: template.spot }
  }
  return { kind: 'node', node, port, type: output.type, spot: template.spot }
}
