/** @file The inputs that a workflow file declares for those who use it. */
import type { Catalog, InputPortManifest } from '../stage/catalog.ts'
import { pathSource } from './bind-inputs.ts'
import type { Faults } from './faults.ts'
import type { Value } from './scope.ts'
import type { WorkflowSource } from './source-files.ts'
import { suggestionHint } from './suggest.ts'
import { mapAt, type Spot, textAt, type YamlMap, type YamlScalar } from './yaml-value.ts'

export interface DeclaredInput {
  readonly port: InputPortManifest
  /** Its value where none is given. */
  readonly fallback?: Value
  readonly keySpot: Spot
}

/** Undefined where the file declares none. */
export function declaredInputs(
  { root }: WorkflowSource,
  { catalog, faults }: { readonly catalog: Catalog; readonly faults: Faults },
): ReadonlyMap<string, DeclaredInput> | undefined {
  const declared = mapAt(root, 'inputs')
  if (declared === undefined) return undefined
  const inputs = new Map<string, DeclaredInput>()
  for (const { key, keySpot, value } of declared.entries.values()) {
    if (value.kind !== 'map') continue
    const types = typesOf(value).flatMap((written) => knownType(written, catalog, faults))
    const text = textAt(value, 'default')
    const spot = value.entries.get('default')?.value.spot ?? keySpot
    const source = text === undefined ? undefined : pathSource(text, { spot }, types, catalog, { faults })
    const optional = source !== undefined || isSet(value, 'optional')
    const port = {
      types,
      optional,
      many: isSet(value, 'many'),
      description: textAt(value, 'description') ?? '',
    }
    inputs.set(key, { port, keySpot, ...(source !== undefined && { fallback: { kind: 'source', source } }) })
  }
  return inputs
}

/** What a file's nodes read where nobody uses the file: its own defaults. */
export function ownInputValues(
  inputs: ReadonlyMap<string, DeclaredInput>,
  faults: Faults,
): ReadonlyMap<string, Value> {
  const values = new Map<string, Value>()
  for (const [name, { port, fallback, keySpot }] of inputs) {
    if (fallback === undefined && !port.optional) {
      const hint = 'give it a `default` path, or use this file in another workflow'
      faults.add(keySpot, 'missing-input', `input \`${name}\` has no value`, hint)
    }
    const absent: Value = { kind: 'absent', reason: `input \`${name}\` is not given` }
    values.set(name, fallback ?? (port.optional ? absent : { kind: 'unknown' }))
  }
  return values
}

function typesOf(input: YamlMap): readonly YamlScalar[] {
  const type = input.entries.get('type')?.value
  if (type?.kind === 'list') return type.items.filter((item) => item.kind === 'scalar')
  return type?.kind === 'scalar' ? [type] : []
}

function knownType({ value, spot }: YamlScalar, catalog: Catalog, faults: Faults): string[] {
  if (typeof value !== 'string') return []
  if (catalog.artifacts.has(value) || catalog.partial) return [value]
  const hint = suggestionHint(value, [...catalog.artifacts.keys()].sort(), 'artifact types')
  faults.add(spot, 'unknown-type', `there is no artifact type \`${value}\``, hint)
  return []
}

function isSet(map: YamlMap, field: string): boolean {
  const value = map.entries.get(field)?.value
  return value?.kind === 'scalar' && value.value === true
}
