/** @file What a workflow file is given: its params and its inputs, by the command line or by the workflow that uses it. */
import type { JsonObject } from '../identity.ts'
import type { BoundPort } from './bind-inputs.ts'
import type { UsedWorkflow } from './callee.ts'
import type { Faults } from './faults.ts'
import { type GivenParam, type ResolvedParams, resolveParams } from './resolve-params.ts'
import { resolveData } from './resolve-references.ts'
import type { Scope, Value } from './scope.ts'
import type { SourceFiles, WorkflowSource } from './source-files.ts'
import { mapAt, pointerSegments, type Spot, type YamlMap } from './yaml-value.ts'

/** The params of a file: declared there, set by its files of params, and by who uses it. */
export function paramsOf(
  { file, root, faulty }: WorkflowSource,
  given: ReadonlyMap<string, GivenParam>,
  { faults, files }: { readonly faults: Faults; readonly files: SourceFiles },
  caller?: { readonly workflow: string; readonly spot: Spot },
): ResolvedParams {
  const include = root.entries.get('include')?.value
  const paths = include?.kind === 'list' ? include.items : include === undefined ? [] : [include]
  const included = new Map<string, GivenParam>()
  for (const path of paths) {
    if (path.kind !== 'scalar' || typeof path.value !== 'string' || path.value === '') continue
    for (const [name, value] of files.params(path.value, file, path.spot)) included.set(name, value)
  }
  const all = new Map([...included, ...given])
  const declared = mapAt(root, 'params')
  return resolveParams({ declared, given: all, faulty, ...(caller !== undefined && { caller }) }, faults)
}

/** The values of `with` where a node uses a workflow. */
export function givenIn(written: YamlMap | undefined, scope: Scope): ReadonlyMap<string, GivenParam> {
  const given = new Map<string, GivenParam>()
  if (written === undefined) return given
  const { data, unknown } = resolveData(written, scope)
  const faulty = new Set([...unknown].map((pointer) => pointerSegments(pointer)[0]))
  for (const { key, keySpot, value } of written.entries.values()) {
    const resolved = (data as JsonObject)[key] ?? null
    given.set(
      key,
      faulty.has(key) ? { kind: 'unknown' } : { kind: 'value', value: resolved, keySpot, spot: value.spot },
    )
  }
  return given
}

/** What a used workflow's nodes read where they name its inputs. */
export function inputValues(
  use: UsedWorkflow,
  ports: readonly BoundPort[],
  isSkipped: boolean,
): ReadonlyMap<string, Value> | undefined {
  if (use.declared === undefined) return undefined
  const bound = new Map(ports.map((port) => [port.port, port]))
  const values = new Map<string, Value>()
  for (const [name, { port, fallback }] of use.declared) {
    const { many, types, optional } = port
    const sources = (bound.get(name)?.sources ?? []).map(({ label, source }) => ({
      label,
      // Within, it is what is declared, and not what happens to be given.
      source: source.kind === 'node' && types.length === 1 ? { ...source, type: types[0] } : source,
    }))
    const [only] = sources
    if (many && sources.length > 0) values.set(name, { kind: 'sources', sources })
    else if (only !== undefined) values.set(name, { kind: 'source', source: only.source })
    else if (fallback !== undefined) values.set(name, fallback)
    else if (optional || isSkipped) {
      values.set(name, { kind: 'absent', reason: `input \`${name}\` is not given` })
    } else values.set(name, { kind: 'unknown' })
  }
  return values
}
