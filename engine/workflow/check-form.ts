/** @file The form of a workflow file: its own schema, and no references where only plain values may stand. */
import type { JsonObject } from '../identity.ts'
import type { Faults } from './faults.ts'
import { WorkflowFile } from './file-schema.ts'
import { policyFields } from './policy-schema.ts'
import { validateValue } from './validate-value.ts'
import { mapAt, type Spot, toJson, type YamlMap, type YamlValue } from './yaml-value.ts'

const SECTIONS: ReadonlySet<string> = new Set(['in', 'with', 'out', ...policyFields])
/** Nodes that are checked together. */
const PORTION = 200

/** A section whose entries are all commented out is as good as none. */
export function withoutEmptySections(root: YamlMap): YamlMap {
  const nodes = root.entries.get('nodes')
  const entries = new Map(root.entries)
  for (const name of ['params', 'inputs', 'outputs', 'include', 'defaults', 'slots']) {
    if (isEmpty(root.entries.get(name)?.value)) entries.delete(name)
  }
  if (nodes?.value.kind === 'map') {
    const stripped = new Map(nodes.value.entries)
    for (const [name, node] of stripped) {
      if (node.value.kind !== 'map') continue
      const empty = [...node.value.entries.values()].filter(
        ({ key, value }) => SECTIONS.has(key) && isEmpty(value),
      )
      if (empty.length === 0) continue
      const sections = new Map(node.value.entries)
      for (const { key } of empty) sections.delete(key)
      stripped.set(name, { ...node, value: { ...node.value, entries: sections } })
    }
    entries.set('nodes', { ...nodes, value: { ...nodes.value, entries: stripped } })
  }
  return { ...root, entries }
}

function isEmpty(value: YamlValue | undefined): boolean {
  return value?.kind === 'scalar' && value.value === null
}

/** The file's own schema, and references where only plain values may stand. */
export function checkForm(root: YamlMap, faults: Faults, spot: Spot): ReadonlySet<string> {
  const refuse = (value: YamlValue | undefined, place: string): void => {
    if (value?.kind === 'scalar') {
      for (const template of value.templates) {
        faults.add(
          template.spot,
          'misplaced-reference',
          `a reference cannot stand in ${place}`,
          'write the value out',
        )
      }
    } else if (value?.kind === 'list') for (const item of value.items) refuse(item, place)
    else if (value?.kind === 'map') {
      for (const entry of value.entries.values()) if (entry.key !== 'description') refuse(entry.value, place)
    }
  }
  refuse(root.entries.get('name')?.value, '`name`')
  refuse(root.entries.get('slots')?.value, '`slots`')
  for (const param of mapAt(root, 'params')?.entries.values() ?? []) refuse(param.value, '`params`')
  for (const node of mapAt(root, 'nodes')?.entries.values() ?? []) {
    if (node.value.kind !== 'map') continue
    refuse(node.value.entries.get('uses')?.value, '`uses`')
    const repeat = mapAt(node.value, 'repeat')
    if (repeat !== undefined) refuse(repeat.entries.get('carry')?.value, '`carry`')
  }
  refuse(root.entries.get('include')?.value, '`include`')
  for (const input of mapAt(root, 'inputs')?.entries.values() ?? []) refuse(input.value, '`inputs`')
  const faulty = new Set<string>()
  for (const data of portions(root)) {
    const value = { written: root, data, schema: WorkflowFile, spot, owner: 'the workflow' }
    for (const pointer of validateValue(value, faults)) faulty.add(pointer)
  }
  return faulty
}

/**
 * The file a few nodes at a time, and what else it says with the first of them. No node's form depends on another one's, and
 * a copy of thousands of nodes would outlive several collections of garbage.
 */
function* portions(root: YamlMap): Generator<JsonObject> {
  const nodes = mapAt(root, 'nodes')
  if (nodes === undefined || nodes.entries.size <= PORTION) {
    yield toJson(root) as JsonObject
    return
  }
  const entries = [...nodes.entries]
  for (let from = 0; from < entries.length; from += PORTION) {
    const some = toJson({ ...nodes, entries: new Map(entries.slice(from, from + PORTION)) })
    const others = new Map(root.entries)
    others.delete('nodes')
    yield from === 0
      ? { ...(toJson({ ...root, entries: others }) as JsonObject), nodes: some }
      : { nodes: some }
  }
}
