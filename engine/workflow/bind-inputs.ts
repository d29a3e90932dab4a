/** @file A node's `in` into bindings of its stage's input ports. */
import type { RemoteName } from '../artifacts/remote-values.ts'
import { artifactFits, type Catalog, type InputPortManifest, type StageManifest } from '../stage/catalog.ts'
import { alternatives } from './in-words.ts'
import { normalizePath } from './paths.ts'
import { hasScheme, remoteName } from './remote-name.ts'
import { type InputText, type NodeLink, resolveInput, type Scope } from './resolve-references.ts'
import { suggest, suggestionHint } from './suggest.ts'
import type { Spot, YamlEntry, YamlMap, YamlValue } from './yaml-value.ts'

export type BoundSource =
  | {
      readonly kind: 'file'
      readonly path: string
      /** What else it may mean, should no such path exist. */
      readonly remote?: RemoteName
      readonly spot: Spot
      readonly origin?: Spot
    }
  | ({ readonly kind: 'remote'; readonly spot: Spot; readonly origin?: Spot } & RemoteName)
  | ({ readonly kind: 'node' } & NodeLink)

export interface BoundPort {
  readonly port: string
  readonly many: boolean
  readonly sources: readonly { readonly label: string; readonly source: BoundSource }[]
}

export interface NodeInput {
  readonly node: string
  readonly stage: StageManifest | undefined
  readonly written: YamlMap | undefined
  /** Where a missing input is reported. */
  readonly spot: Spot
}

const LABEL = /^[^\\/\u0000-\u001f]{1,64}$/

/** Without a known stage references are still followed, and nothing is said about ports. */
export function bindInputs(
  { node, stage, written, spot }: NodeInput,
  catalog: Catalog,
  scope: Scope,
): BoundPort[] {
  const bound: BoundPort[] = []
  const ports = stage?.inputs ?? {}
  const missing = new Set(Object.keys(ports).filter((name) => !ports[name]!.optional))
  for (const entry of written?.entries.values() ?? []) {
    const port = Object.hasOwn(ports, entry.key) ? ports[entry.key] : undefined
    if (stage !== undefined && port === undefined) {
      const free = Object.keys(ports).filter((name) => !written?.entries.has(name))
      const hint = suggestionHint(entry.key, free, 'its other inputs')
      scope.faults.add(
        entry.keySpot,
        'unknown-port',
        `stage \`${stage.name}\` has no input \`${entry.key}\``,
        hint,
      )
      // That this one is missing follows from the slip.
      missing.delete(suggest(entry.key, free) ?? '')
    }
    const { sources, given } = bindPort(entry, node, port, stage, catalog, scope)
    if (given) missing.delete(entry.key)
    bound.push({ port: entry.key, many: port?.many ?? false, sources })
  }
  for (const name of missing) {
    const types = alternatives(ports[name]!.types)
    scope.faults.add(
      spot,
      'missing-input',
      `node \`${node}\` needs input \`${name}\` (${types})`,
      `add \`${name}: ...\` to \`in\``,
    )
  }
  return bound
}

/** `given`: something was written, be it faulty. */
function bindPort(
  entry: YamlEntry,
  node: string,
  port: InputPortManifest | undefined,
  stage: StageManifest | undefined,
  catalog: Catalog,
  scope: Scope,
): { sources: { label: string; source: BoundSource }[]; given: boolean } {
  const { key, value } = entry
  if (port !== undefined && !port.many && value.kind !== 'scalar') {
    const kind = value.kind === 'list' ? 'a list' : 'a mapping'
    scope.faults.add(
      value.spot,
      'not-many',
      `input \`${key}\` of stage \`${stage?.name}\` takes one value, not ${kind}`,
    )
  }
  const sources: { label: string; source: BoundSource }[] = []
  for (const { label, labelSpot, item } of labelled(value)) {
    if (!LABEL.test(label) || label === '.' || label === '..' || label === '__proto__') {
      scope.faults.add(
        labelSpot,
        'bad-name',
        `\`${label}\` cannot be a label`,
        'use a short name without slashes',
      )
    }
    if (item.kind !== 'scalar') continue
    const resolved = resolveInput(item, node, scope)
    const source = resolved && toSource(resolved, port?.types ?? [], catalog, scope)
    if (source === undefined) continue
    if (source.kind === 'node' && port !== undefined && stage !== undefined) {
      checkType(source, key, port, stage, catalog, scope)
    }
    sources.push({ label, source })
  }
  const isEmpty =
    (value.kind === 'list' && value.items.length === 0) || (value.kind === 'map' && value.entries.size === 0)
  return { sources, given: !isEmpty }
}

function labelled(value: YamlValue): { label: string; labelSpot: Spot; item: YamlValue }[] {
  switch (value.kind) {
    case 'scalar':
      return [{ label: '0', labelSpot: value.spot, item: value }]
    case 'list':
      return value.items.map((item, index) => ({ label: String(index), labelSpot: item.spot, item }))
    case 'map':
      return [...value.entries.values()].map((entry) => ({
        label: entry.key,
        labelSpot: entry.keySpot,
        item: entry.value,
      }))
    default:
      return value satisfies never
  }
}

function toSource(
  input: InputText,
  types: readonly string[],
  catalog: Catalog,
  scope: Scope,
): BoundSource | undefined {
  if (input.kind === 'node') return input
  const { spot, origin } = input
  const place = { spot, ...(origin !== undefined && { origin }) }
  const remote = remoteName(catalog, types, input.text)
  if (remote !== undefined && hasScheme(remote)) return { kind: 'remote', ...remote, ...place }
  const normal = normalizePath(input.text, 'input')
  if ('path' in normal) {
    return { kind: 'file', path: normal.path, ...(remote !== undefined && { remote }), ...place }
  }
  scope.faults.add(origin ?? spot, 'bad-path', normal.fault, normal.hint)
  return undefined
}

function checkType(
  source: NodeLink,
  key: string,
  port: InputPortManifest,
  stage: StageManifest,
  catalog: Catalog,
  scope: Scope,
): void {
  if (source.type === undefined || artifactFits(catalog, source.type, port.types)) return
  const outputs = scope.stages.get(source.node)?.outputs ?? {}
  const fitting = Object.keys(outputs).filter((name) =>
    artifactFits(catalog, outputs[name]!.type, port.types),
  )
  const hint =
    fitting.length > 0
      ? `\`${source.node}\` also gives ${alternatives(fitting.map((name) => `\`${name}\``))}`
      : undefined
  const message = `input \`${key}\` of stage \`${stage.name}\` takes ${alternatives(port.types)}, but \`${source.node}.${source.port}\` is ${source.type}`
  scope.faults.add(source.spot, 'type-mismatch', message, hint)
}
