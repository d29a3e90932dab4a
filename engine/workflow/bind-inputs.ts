/** @file A node's `in` into bindings of its stage's input ports. */
import { artifactFits, type Catalog, type InputPortManifest } from '../stage/catalog.ts'
import type { Callee } from './callee.ts'
import { alternatives } from './in-words.ts'
import { normalizePath } from './paths.ts'
import { hasScheme, remoteName } from './remote-name.ts'
import { resolveInput } from './resolve-references.ts'
import type { BoundSource, LabelledSource, NodeLink, Scope, Value } from './scope.ts'
import { suggest, suggestionHint } from './suggest.ts'
import type { Spot, YamlEntry, YamlMap, YamlScalar, YamlValue } from './yaml-value.ts'

export interface BoundPort {
  readonly port: string
  readonly many: boolean
  readonly sources: readonly LabelledSource[]
}

export interface BoundInputs {
  readonly ports: readonly BoundPort[]
  /** A port that must have a value gets none, since what would write it does not run: one line. */
  readonly absent?: string
}

export interface NodeInput {
  /** Undefined where it is not known: references are still followed, and nothing is said about ports. */
  readonly callee: Callee | undefined
  readonly written: YamlMap | undefined
  /** Values that take the place of what is written, by port: those of the round before. */
  readonly carried: ReadonlyMap<string, Value>
  /** Where a missing input is reported. */
  readonly spot: Spot
}

const LABEL = /^[^\\/\u0000-\u001f]{1,64}$/

export function bindInputs(
  { callee, written, carried, spot }: NodeInput,
  catalog: Catalog,
  scope: Scope,
): BoundInputs {
  const bound: BoundPort[] = []
  const ports = callee?.inputs ?? {}
  const missing = new Set(Object.keys(ports).filter((name) => !ports[name]!.optional))
  const absences: string[] = []
  const bind = (name: string, port: InputPortManifest | undefined, bindPort: (binder: Binder) => void) => {
    const binder = new Binder({ name, port, callee }, catalog, scope)
    bindPort(binder)
    if (binder.isGiven) missing.delete(name)
    if (port?.optional !== true && binder.sources.length === 0 && binder.absence !== undefined) {
      absences.push(`input \`${name}\`: ${binder.absence}`)
    }
    bound.push({ port: name, many: port?.many ?? false, sources: binder.sources })
  }
  for (const entry of written?.entries.values() ?? []) {
    const port = Object.hasOwn(ports, entry.key) ? ports[entry.key] : undefined
    if (callee !== undefined && port === undefined) {
      const free = Object.keys(ports).filter((name) => !written?.entries.has(name))
      const hint = suggestionHint(entry.key, free, 'its other inputs')
      scope.faults.add(
        entry.keySpot,
        'unknown-port',
        `${callee.what} \`${callee.name}\` has no input \`${entry.key}\``,
        hint,
      )
      // That this one is missing follows from the slip.
      missing.delete(suggest(entry.key, free) ?? '')
    }
    if (!carried.has(entry.key)) bind(entry.key, port, (binder) => binder.bindEntry(entry))
  }
  for (const [name, value] of carried) bind(name, ports[name], (binder) => binder.bindCarried(value, spot))
  for (const name of missing) {
    const types = alternatives(ports[name]!.types)
    scope.faults.add(
      spot,
      'missing-input',
      `node \`${scope.self}\` needs input \`${name}\` (${types})`,
      `add \`${name}: ...\` to \`in\``,
    )
  }
  const [absent] = absences
  return { ports: bound, ...(absent !== undefined && { absent }) }
}

interface Port {
  readonly name: string
  readonly port: InputPortManifest | undefined
  readonly callee: Callee | undefined
}

/** Collects the sources of one port. */
class Binder {
  readonly sources: LabelledSource[] = []
  /** Something was written, be it faulty. */
  isGiven = false
  /** Why a value that was written does not exist. */
  absence: string | undefined
  #wasNull = false
  readonly #labels = new Set<string>()
  readonly #port: Port
  readonly #catalog: Catalog
  readonly #scope: Scope

  constructor(port: Port, catalog: Catalog, scope: Scope) {
    this.#port = port
    this.#catalog = catalog
    this.#scope = scope
  }

  bindEntry({ value }: YamlEntry): void {
    const { port, name, callee } = this.#port
    const choices = firstOf(value)
    if (choices !== undefined) {
      this.#bindFirstOf(choices, value.spot)
      return
    }
    if (port !== undefined && !port.many && value.kind !== 'scalar') {
      const kind = value.kind === 'list' ? 'a list' : 'a mapping'
      this.#scope.faults.add(
        value.spot,
        'not-many',
        `input \`${name}\` of ${callee?.what} \`${callee?.name}\` takes one value, not ${kind}`,
      )
    }
    switch (value.kind) {
      case 'scalar':
        this.#bindValue('', resolveInput(value, this.#scope), value)
        break
      case 'list':
        for (const item of value.items) {
          if (item.kind === 'scalar') this.#bindValue(undefined, resolveInput(item, this.#scope), item)
        }
        break
      case 'map':
        for (const { key, keySpot, value: item } of value.entries.values()) {
          this.#checkLabel(key, keySpot)
          if (item.kind === 'scalar') this.#bindValue(key, resolveInput(item, this.#scope), item)
        }
        break
      default:
        value satisfies never
    }
    if (value.kind === 'list' && value.items.length === 0) return
    if (value.kind === 'map' && value.entries.size === 0) return
    const isNothing = this.sources.length === 0 && this.absence === undefined && this.#wasNull
    this.isGiven = !isNothing
  }

  bindCarried(value: Value, spot: Spot): void {
    this.isGiven = true
    this.#bindValue('', value, { kind: 'scalar', value: null, templates: [], spot })
  }

  /** The first value that exists. */
  #bindFirstOf(items: readonly YamlValue[], spot: Spot): void {
    this.isGiven = true
    let chosen: { value: Value; item: YamlScalar } | undefined
    for (const item of items) {
      if (item.kind !== 'scalar') continue
      const value = resolveInput(item, this.#scope)
      if (chosen === undefined || (chosen.value.kind === 'absent' && value.kind !== 'absent')) {
        chosen = { value, item }
      }
    }
    if (chosen !== undefined) this.#bindValue('', chosen.value, chosen.item)
    else this.#scope.faults.add(spot, 'wrong-value', '`first_of` must not be empty')
  }

  /** `key`: the label as written, empty where the value stands alone; undefined in a list, which is numbered. */
  #bindValue(key: string | undefined, value: Value, written: YamlScalar): void {
    const { port, name, callee } = this.#port
    switch (value.kind) {
      case 'unknown':
        return
      case 'absent':
        this.absence ??= value.reason
        return
      case 'data':
        this.#bindData(key, value, written)
        return
      case 'source':
        this.#add(key, value.source)
        return
      case 'sources':
        if (port !== undefined && !port.many) {
          const message = `input \`${name}\` of ${callee?.what} \`${callee?.name}\` takes one value, not several`
          this.#scope.faults.add(written.spot, 'not-many', message)
          return
        }
        for (const { label, source } of value.sources)
          this.#add(key === undefined ? undefined : expandedLabel(key, label), source)
        if (value.sources.length === 0) this.absence ??= 'none of the nodes that it collects runs'
        return
      default:
        value satisfies never
    }
  }

  #bindData(key: string | undefined, { value, origin }: Value & { kind: 'data' }, written: YamlScalar): void {
    const { spot } = written
    if (value === null && written.templates.length > 0) {
      this.#wasNull = true
      return
    }
    if (Array.isArray(value) && this.#port.port?.many === true) {
      for (const [index, item] of value.entries()) {
        const label = key ? expandedLabel(key, String(index)) : undefined
        this.#bindData(label, { kind: 'data', value: item }, written)
      }
      return
    }
    if (typeof value !== 'string') {
      // What is no text at all has been reported with the file's form.
      if (written.templates.length === 0) return
      const reference = written.templates[0]!.text.slice(3, -2).trim()
      const shown = typeof value === 'object' ? JSON.stringify(value) : String(value)
      this.#scope.faults.add(spot, 'wrong-type', `a path must be a string; \`${reference}\` is ${shown}`)
      return
    }
    const place = { spot, ...(origin !== undefined && { origin }) }
    const source = pathSource(value, place, this.#port.port?.types ?? [], this.#catalog, this.#scope)
    if (source !== undefined) this.#add(key, source)
  }

  #add(key: string | undefined, source: BoundSource): void {
    const { port, name, callee } = this.#port
    if (source.kind === 'node' && port !== undefined && callee !== undefined) {
      this.#checkType(source, name, port, callee)
    }
    const label = key || String(this.sources.length)
    if (this.#labels.has(label)) {
      this.#scope.faults.add(source.spot, 'bad-name', `the label \`${label}\` is given twice`)
    }
    this.#labels.add(label)
    this.sources.push({ label, source })
  }

  #checkLabel(label: string, spot: Spot): void {
    if (LABEL.test(label) && label !== '.' && label !== '..' && label !== '__proto__') return
    this.#scope.faults.add(
      spot,
      'bad-name',
      `\`${label}\` cannot be a label`,
      'use a short name without slashes',
    )
  }

  #checkType(source: NodeLink, key: string, port: InputPortManifest, callee: Callee): void {
    if (source.type === undefined || artifactFits(this.#catalog, source.type, port.types)) return
    const fitting = Object.entries(source.outputs)
      .filter(([, { type }]) => artifactFits(this.#catalog, type, port.types))
      .map(([name]) => `\`${name}\``)
    const hint = fitting.length > 0 ? `\`${source.node}\` also gives ${alternatives(fitting)}` : undefined
    const message = `input \`${key}\` of ${callee.what} \`${callee.name}\` takes ${alternatives(port.types)}, but \`${source.node}.${source.port}\` is ${source.type}`
    this.#scope.faults.add(source.spot, 'type-mismatch', message, hint)
  }
}

/** The source that a text stands for; undefined where a fault was reported. */
export function pathSource(
  text: string,
  place: { readonly spot: Spot; readonly origin?: Spot },
  types: readonly string[],
  catalog: Catalog,
  scope: Pick<Scope, 'faults'>,
): BoundSource | undefined {
  const remote = remoteName(catalog, types, text)
  if (remote !== undefined && hasScheme(remote)) return { kind: 'remote', ...remote, ...place }
  const normal = normalizePath(text, 'input')
  if ('path' in normal) {
    return { kind: 'file', path: normal.path, ...(remote !== undefined && { remote }), ...place }
  }
  scope.faults.add(place.origin ?? place.spot, 'bad-path', normal.fault, normal.hint)
  return undefined
}

/** `{ first_of: [...] }`, which no mapping from labels to values can be. */
function firstOf(value: YamlValue): readonly YamlValue[] | undefined {
  if (value.kind !== 'map' || value.entries.size !== 1) return undefined
  const list = value.entries.get('first_of')?.value
  return list?.kind === 'list' ? list.items : undefined
}

/** `M*` becomes `M1`, `M2`, ...; a key without a star is put before the labels. */
function expandedLabel(key: string, label: string): string {
  if (key === '') return label
  return key.includes('*') ? key.replaceAll('*', label) : `${key}-${label}`
}
