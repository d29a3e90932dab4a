/**
 * @file Expands a workflow file into nodes: loops into an instance each, used workflows into the nodes within them.
 * Everything that decides which nodes there are is known when the file is read, so that a plan knows all of them.
 */
import type { JsonObject } from '../identity.ts'
import { artifactFits, type Catalog, type StageManifest } from '../stage/catalog.ts'
import { type BoundPort, bindInputs, pathSource } from './bind-inputs.ts'
import { bindOutputs } from './bind-outputs.ts'
import { calleeOf, type Use, type UsedWorkflow } from './callee.ts'
import { checkCarry } from './check-carry.ts'
import { conditionOf } from './condition.ts'
import type { Faults } from './faults.ts'
import { orderNodes } from './graph.ts'
import { type Instance, instancesOf, type Rounds, roundsOf } from './instances.ts'
import type { PathClaim } from './paths.ts'
import type { ResolvedParams } from './resolve-params.ts'
import { declaredSlots, resolvePolicy } from './resolve-policy.ts'
import { resolveInput } from './resolve-references.ts'
import type { LabelledSource, Loop, OutputReference, Scope, Value } from './scope.ts'
import type { SourceFiles, WorkflowSource } from './source-files.ts'
import { stageParams } from './stage-params.ts'
import { suggestionHint } from './suggest.ts'
import { givenIn, inputValues, paramsOf } from './used-workflow.ts'
import type { NodePolicy } from './workflow.ts'
import { writtenEdges } from './written-edges.ts'
import { mapAt, type Spot, textAt, type YamlEntry, type YamlMap } from './yaml-value.ts'

/** A node as far as it could be understood. */
export interface NodeDraft {
  readonly id: string
  readonly group: readonly string[]
  readonly file: string
  readonly keySpot: Spot
  readonly stage: StageManifest | undefined
  readonly inputs: readonly BoundPort[]
  readonly params: JsonObject
  readonly outputs: PathClaim[]
  readonly policy: NodePolicy
  readonly skipped?: string
}

/** What all files of one workflow share. */
export interface Expansion {
  readonly catalog: Catalog
  readonly faults: Faults
  readonly files: SourceFiles
  /** In topological order, by id. */
  readonly drafts: Map<string, NodeDraft>
  /** Declared by any of the files; what a file declares itself goes before what one that it uses declares. */
  readonly slots: Record<string, number>
}

const MAX_NODES = 20_000
const MAX_FILES_DEEP = 16
const unknown: Value = { kind: 'unknown' }

/** Where in the whole a file stands. */
export interface Place {
  /** Names of what it is expanded from, outermost first. */
  readonly group: readonly string[]
  readonly params: ResolvedParams
  readonly inputs: ReadonlyMap<string, Value> | undefined
  /** How its nodes run where the file does not say so itself. */
  readonly policy: NodePolicy
  /** Nothing in it runs: one line. */
  readonly skipped?: string
  /** The files around it and itself, outermost first. */
  readonly files: readonly string[]
}

/** What one declaration was expanded to. */
interface ExpandedNode {
  readonly use: Use | undefined
  /** `unclear`: a slip in a field may have been meant to say. */
  readonly kind: 'single' | 'loop' | 'rounds' | 'unclear'
  readonly instances: readonly ExpandedInstance[]
  /** Of rounds, none of which there may be: what was carried into the first. */
  readonly initial?: (output: string) => Value
}

interface ExpandedInstance {
  readonly label: string
  /** The value of an output that the callee has. */
  readonly output: (port: string) => Value
  /** Of a used workflow: its file as it was expanded here. */
  readonly inner?: ExpandedFile
}

/** One workflow file in one place. */
export class ExpandedFile {
  readonly #expansion: Expansion
  readonly #source: WorkflowSource
  readonly #place: Place
  readonly #declared: ReadonlyMap<string, YamlEntry>
  readonly #nodes = new Map<string, ExpandedNode>()
  readonly #defaults: NodePolicy

  constructor(source: WorkflowSource, place: Place, expansion: Expansion) {
    this.#source = source
    this.#place = place
    this.#expansion = expansion
    this.#declared = mapAt(source.root, 'nodes')?.entries ?? new Map()
    const { slots } = expansion
    Object.assign(slots, { ...declaredSlots(source.root), ...slots })
    const base = { slots, defaults: place.policy }
    this.#defaults = resolvePolicy(
      source.root.entries.get('defaults'),
      '`defaults`',
      base,
      this.#scope('', {}),
    )
  }

  expand(): void {
    const edges = new Map(
      [...this.#declared].map(([name, entry]) => [name, writtenEdges(name, entry, this.#declared)]),
    )
    for (const name of orderNodes(edges, this.#expansion.faults)) {
      this.#nodes.set(name, this.#expandNode(this.#declared.get(name)!))
    }
  }

  /** The value of an output that the file declares. */
  output(name: string): Value {
    const declared = mapAt(this.#source.root, 'outputs')?.entries.get(name)?.value
    if (declared === undefined) return unknown
    const written = declared.kind === 'map' ? declared.entries.get('value')?.value : declared
    if (written?.kind !== 'scalar') return unknown
    const value = resolveInput(written, this.#scope('', {}))
    if (value.kind === 'data') {
      const message = `output \`${name}\` must be an output of a node, or an input`
      this.#expansion.faults.add(written.spot, 'wrong-value', message, '`${{ nodes.NODE.PORT }}`')
      return unknown
    }
    const type = declared.kind === 'map' ? textAt(declared, 'type') : undefined
    return type === undefined ? value : this.#typed(name, value, type, written.spot)
  }

  /** What a path within the file, `NODE.PORT`, leads to. */
  inner(path: string, spot: Spot): Value {
    const [node = '', port = ''] = path.split('.')
    return this.#lookUp({ node, port, all: false, nodeSpot: () => spot, portSpot: () => spot, spot }, '')
  }

  #typed(name: string, value: Value, type: string, spot: Spot): Value {
    if (value.kind !== 'source' || value.source.kind !== 'node') return value
    const { catalog, faults } = this.#expansion
    const { source } = value
    if (source.type !== undefined && !artifactFits(catalog, source.type, [type])) {
      const message = `output \`${name}\` is declared as ${type}, but \`${source.node}.${source.port}\` is ${source.type}`
      faults.add(spot, 'type-mismatch', message)
    }
    return { kind: 'source', source: { ...source, type } }
  }

  #scope(self: string, loop: Loop): Scope {
    return {
      faults: this.#expansion.faults,
      params: this.#place.params,
      inputs: this.#place.inputs,
      loop,
      self,
      output: (reference) => this.#lookUp(reference, self),
    }
  }

  #lookUp(reference: OutputReference, self: string): Value {
    const { node, port, all, nodeSpot, portSpot, spot } = reference
    const { faults } = this.#expansion
    if (!this.#declared.has(node)) {
      const known = [...this.#declared.keys()].filter((name) => name !== self)
      faults.add(
        nodeSpot(),
        'unknown-node',
        `there is no node \`${node}\``,
        suggestionHint(node, known, 'nodes'),
      )
      return unknown
    }
    const expanded = this.#nodes.get(node)
    // It comes later only where there is a cycle, which has been reported.
    if (expanded === undefined) return unknown
    const { use, kind, instances } = expanded
    if (use !== undefined && !Object.hasOwn(use.outputs, port)) {
      const hint = suggestionHint(port, Object.keys(use.outputs), 'its outputs')
      const message = `node \`${node}\` (${use.what} \`${use.name}\`) has no output \`${port}\``
      faults.add(portSpot(), 'unknown-port', message, hint)
      return unknown
    }
    if (all) return this.#collect(expanded, reference)
    if (kind === 'loop') {
      const hint = `\`\${{ nodes.${node}.*.${port} }}\` collects what they write`
      faults.add(spot, 'bad-reference', `\`${node}\` stands for several nodes`, hint)
      return unknown
    }
    const last = instances.at(-1)
    return at(last === undefined ? (expanded.initial?.(port) ?? unknown) : last.output(port), spot)
  }

  #collect({ kind, instances }: ExpandedNode, { node, port, spot }: OutputReference): Value {
    if (kind === 'unclear') return unknown
    if (kind === 'single') {
      const message = `\`${node}\` stands for one node: it has neither \`foreach\`, \`matrix\` nor \`repeat\``
      this.#expansion.faults.add(spot, 'bad-reference', message, `\`\${{ nodes.${node}.${port} }}\``)
      return unknown
    }
    const sources: LabelledSource[] = []
    for (const { label, output } of instances) {
      const value = at(output(port), spot)
      if (value.kind === 'unknown') return unknown
      if (value.kind === 'source') sources.push({ label, source: value.source })
    }
    return { kind: 'sources', sources }
  }

  #expandNode(entry: YamlEntry): ExpandedNode {
    const { key: name, value } = entry
    const { catalog, faults, files } = this.#expansion
    const use = calleeOf(entry, this.#source.file, { catalog, faults, files })
    const known = isOpaque(use) ? undefined : use
    if (value.kind !== 'map') return { use: known, kind: 'single', instances: [] }
    const scope = this.#scope(name, {})
    const rounds = roundsOf(value, scope)
    const instances = instancesOf(value, scope)
    const expanded = instances.map((instance) => this.#expandInstance(entry, use, instance, rounds))
    const isLoop = value.entries.has('foreach') || value.entries.has('matrix')
    if (!isLoop) return { use: known, ...expanded[0]! }
    const last = expanded.map((one, index): ExpandedInstance => {
      const output = (port: string) => one.instances.at(-1)?.output(port) ?? one.initial?.(port) ?? unknown
      return { label: instances[index]!.label ?? '', output }
    })
    return { use: known, kind: 'loop', instances: last }
  }

  #expandInstance(
    entry: YamlEntry,
    use: Use | undefined,
    { label, loop }: Instance,
    rounds: Rounds | undefined,
  ): Omit<ExpandedNode, 'use'> {
    const path = label === undefined ? [entry.key] : [entry.key, label]
    if (rounds === undefined) {
      const kind = loop.faulty ? 'unclear' : 'single'
      return { kind, instances: [this.#instantiate(entry, use, path, loop, new Map(), '')] }
    }
    const { times, carry } = rounds
    if (use !== undefined && !isOpaque(use)) checkCarry(carry, use, this.#expansion.faults)
    const instances: ExpandedInstance[] = []
    for (let round = 1; round <= times; round++) {
      const before = instances.at(-1)
      const carried = new Map(
        before === undefined
          ? []
          : carry.map((carried) => [carried.key, carriedFrom(before, carried)] as const),
      )
      const inRound = { ...loop, round }
      instances.push(this.#instantiate(entry, use, [...path, String(round)], inRound, carried, String(round)))
    }
    return { kind: 'rounds', instances, initial: (output) => this.#initial(entry, carry, output, loop) }
  }

  /** What a round that never ran would have taken where it gives `output`. */
  #initial(entry: YamlEntry, carry: readonly YamlEntry[], output: string, loop: Loop): Value {
    const carried = carry.find(({ value }) => value.kind === 'scalar' && value.value === output)
    const node = entry.value.kind === 'map' ? entry.value : undefined
    const written = carried && node && mapAt(node, 'in')?.entries.get(carried.key)?.value
    if (written?.kind !== 'scalar') return { kind: 'absent', reason: `\`${entry.key}\` has no rounds` }
    const value = resolveInput(written, this.#scope(entry.key, loop))
    if (value.kind !== 'data' || typeof value.value !== 'string') return value
    const place = { spot: written.spot, ...(value.origin !== undefined && { origin: value.origin }) }
    const source = pathSource(value.value, place, [], this.#expansion.catalog, this.#expansion)
    return source === undefined ? unknown : { kind: 'source', source }
  }

  #instantiate(
    entry: YamlEntry,
    use: Use | undefined,
    path: readonly string[],
    loop: Loop,
    carried: ReadonlyMap<string, Value>,
    label: string,
  ): ExpandedInstance {
    const { key: name, keySpot } = entry
    const node = entry.value as YamlMap
    const known = isOpaque(use) ? undefined : use
    const scope = this.#scope(name, loop)
    const inEntry = node.entries.get('in')
    const spot = inEntry?.keySpot ?? keySpot
    const isReadable = inEntry === undefined || inEntry.value.kind === 'map'
    const written = mapAt(node, 'in')
    const bound = isReadable
      ? bindInputs({ callee: known, written, carried, spot }, this.#expansion.catalog, scope)
      : { ports: [] }
    const base = { slots: this.#expansion.slots, defaults: this.#defaults }
    const policy = resolvePolicy(entry, `node \`${name}\``, base, scope)
    const skipped = this.#place.skipped ?? conditionOf(node, scope) ?? bound.absent
    const group = [...this.#place.group, ...path.slice(0, -1)]
    const id = [...this.#place.group, ...path].join('/')
    if (use?.what === 'workflow') {
      const inner = this.#expandUsed(use, entry, scope, bound.ports, {
        group: [...group, path.at(-1)!],
        policy,
        ...(skipped !== undefined && { skipped }),
      })
      if (inner === undefined) return { label, output: () => unknown }
      this.#placeOutputs(node, use, inner, scope)
      return { label, inner, output: (port) => inner.output(port) }
    }
    const stage = use?.stage
    const params = stageParams(node.entries.get('with'), stage, keySpot, scope)
    const outputs = bindOutputs(id, mapAt(node, 'out'), known, scope)
    const { drafts } = this.#expansion
    if (drafts.size === MAX_NODES) {
      const message = `the workflow stands for more than ${MAX_NODES} nodes`
      this.#expansion.faults.add(keySpot, 'too-many-nodes', message)
    }
    if (drafts.size < MAX_NODES) {
      drafts.set(id, {
        ...{ id, group, file: this.#source.file, keySpot, stage, inputs: bound.ports, params, policy },
        // Two nodes of which only one runs may write to the same place.
        outputs: skipped === undefined ? outputs : [],
        ...(skipped !== undefined && { skipped }),
      })
    }
    const links = stage?.outputs ?? {}
    return {
      label,
      output: (port) => {
        if (skipped !== undefined) return { kind: 'absent', reason: `\`${id}\` does not run` }
        return {
          kind: 'source',
          source: { kind: 'node', node: id, port, type: links[port]?.type, spot: keySpot, outputs: links },
        }
      },
    }
  }

  #expandUsed(
    use: UsedWorkflow,
    { keySpot, value }: YamlEntry,
    scope: Scope,
    ports: readonly BoundPort[],
    place: Pick<Place, 'group' | 'policy' | 'skipped'>,
  ): ExpandedFile | undefined {
    const { files } = this.#place
    const node = value as YamlMap
    if (files.includes(use.source.file) || files.length >= MAX_FILES_DEEP) {
      const message = `workflow \`${use.name}\` uses itself: ${[...files, use.source.file].join(' uses ')}`
      scope.faults.add(node.entries.get('uses')?.value.spot ?? keySpot, 'cycle', message)
      return undefined
    }
    const caller = { workflow: use.name, spot: node.entries.get('with')?.keySpot ?? keySpot }
    const params = paramsOf(use.source, givenIn(mapAt(node, 'with'), scope), this.#expansion, caller)
    const inputs = inputValues(use, ports, place.skipped !== undefined)
    const inside = { ...place, params, inputs, files: [...files, use.source.file] }
    const inner = new ExpandedFile(use.source, inside, this.#expansion)
    inner.expand()
    return inner
  }

  /** `out` of a used workflow: a path for what a node within writes. */
  #placeOutputs(node: YamlMap, use: UsedWorkflow, inner: ExpandedFile, scope: Scope): void {
    for (const claim of bindOutputs(scope.self, mapAt(node, 'out'), use, scope)) {
      const value = inner.output(claim.port)
      if (value.kind !== 'source') continue
      const { source } = value
      const draft = source.kind === 'node' ? this.#expansion.drafts.get(source.node) : undefined
      if (draft === undefined || source.kind !== 'node') {
        const message = `output \`${claim.port}\` is an input that passes through: nothing writes it`
        scope.faults.add(claim.spot, 'wrong-value', message)
      } else if (draft.outputs.some(({ port }) => port === source.port)) {
        const message = `\`${source.node}.${source.port}\` has a path already`
        scope.faults.add(claim.spot, 'output-conflict', message, 'name one path for it')
      } else draft.outputs.push({ ...claim, node: source.node, port: source.port })
    }
  }
}

/** Nothing is known of its ports. */
function isOpaque(use: Use | undefined): boolean {
  return use?.what === 'stage' && use.stage.opaque === true
}

function carriedFrom({ output, inner }: ExpandedInstance, { value }: YamlEntry): Value {
  const path = value.kind === 'scalar' ? String(value.value) : ''
  if (inner !== undefined && path.includes('.')) return at(inner.inner(path, value.spot), value.spot)
  return at(output(path), value.spot)
}

/** The value as it is read at a place. */
function at(value: Value, spot: Spot): Value {
  return value.kind === 'source' ? { kind: 'source', source: { ...value.source, spot } } : value
}
