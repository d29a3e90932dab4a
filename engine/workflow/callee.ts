/** @file What a node's `uses` names: a stage, or another workflow file, which is used like one. */
import type { Catalog, InputPortManifest, StageManifest } from '../stage/catalog.ts'
import { type DeclaredInput, declaredInputs } from './declared-inputs.ts'
import type { Faults } from './faults.ts'
import type { SourceFiles, WorkflowSource } from './source-files.ts'
import { isWorkflowPath } from './stage-paths.ts'
import { suggestionHint } from './suggest.ts'
import { mapAt, type Spot, type YamlEntry } from './yaml-value.ts'

/** Ports as a node sees them. */
export interface Callee {
  readonly name: string
  /** For messages. */
  readonly what: 'stage' | 'workflow'
  readonly inputs: Readonly<Record<string, InputPortManifest>>
  /** By name; a workflow's outputs have the types of what they lead to. */
  readonly outputs: Readonly<Record<string, unknown>>
}

export interface UsedStage extends Callee {
  readonly what: 'stage'
  readonly stage: StageManifest
}

export interface UsedWorkflow extends Callee {
  readonly what: 'workflow'
  readonly source: WorkflowSource
  readonly declared: ReadonlyMap<string, DeclaredInput> | undefined
}

export type Use = UsedStage | UsedWorkflow

const RESERVED_NAMES: ReadonlySet<string> = new Set(['params', 'nodes', 'constructor', 'prototype'])
const NODE_NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/

export interface Installed {
  readonly catalog: Catalog
  readonly faults: Faults
  readonly files: SourceFiles
}

/** `file`: the one in which the node is declared. Undefined where it is not known what it uses. */
export function calleeOf(entry: YamlEntry, file: string, installed: Installed): Use | undefined {
  const { catalog, faults } = installed
  checkName(entry, faults)
  const uses = entry.value.kind === 'map' ? entry.value.entries.get('uses')?.value : undefined
  if (uses?.kind !== 'scalar' || typeof uses.value !== 'string' || uses.value === '') return undefined
  if (uses.templates.length > 0) return undefined
  if (isWorkflowPath(uses.value)) return usedWorkflow(uses.value, file, uses.spot, installed)
  const stage = catalog.stages.get(uses.value)
  if (stage !== undefined) {
    const { name, inputs, outputs } = stage
    return { what: 'stage', name, inputs, outputs, stage }
  }
  const hint = uses.value.startsWith('./')
    ? 'a stage named by its path is a folder in the project with an `index.ts`'
    : suggestionHint(uses.value, [...catalog.stages.keys()].sort(), 'installed stages')
  faults.add(uses.spot, 'unknown-stage', `there is no stage \`${uses.value}\``, hint)
  return undefined
}

function checkName({ key, keySpot }: YamlEntry, faults: Faults): void {
  if (!NODE_NAME.test(key)) {
    const hint = 'use letters, digits, `_` and `-`, a letter first'
    faults.add(keySpot, 'bad-name', `\`${key}\` cannot name a node`, hint)
  } else if (RESERVED_NAMES.has(key))
    faults.add(keySpot, 'bad-name', `\`${key}\` is reserved and cannot name a node`)
}

function usedWorkflow(
  name: string,
  file: string,
  spot: Spot,
  installed: Installed,
): UsedWorkflow | undefined {
  const source = installed.files.used(name, file, spot)
  if (source === undefined) return undefined
  const declared = declaredInputs(source, installed)
  const inputs = Object.fromEntries([...(declared ?? [])].map(([input, { port }]) => [input, port]))
  const outputs = Object.fromEntries(
    [...(mapAt(source.root, 'outputs')?.entries.keys() ?? [])].map((output) => [output, true]),
  )
  return { what: 'workflow', name, inputs, outputs, source, declared }
}
