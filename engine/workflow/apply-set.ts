/** @file `--set nodes.sft.with.epochs=1`: replaces a value of the workflow file before it is validated. */
import type { Faults } from './faults.ts'
import { parseYaml } from './parse-yaml.ts'
import { policyFields } from './policy-schema.ts'
import { suggestionHint } from './suggest.ts'
import type { Spot, YamlEntry, YamlMap, YamlValue } from './yaml-value.ts'

const SECTIONS: readonly string[] = [
  'uses',
  'when',
  'foreach',
  'matrix',
  'repeat',
  'in',
  'with',
  'out',
  ...policyFields,
]

export function applySet(root: YamlMap, set: Readonly<Record<string, string>>, faults: Faults): YamlMap {
  let changed = root
  for (const [path, text] of Object.entries(set)) {
    const spot: Spot = { file: `--set ${path}=${text}` }
    if (!checkPath(changed, path, spot, faults)) continue
    const before = faults.count
    const parsed = parseYaml(text, spot.file, faults, false).root
    if (faults.count > before) continue
    const value: YamlValue = parsed ?? { kind: 'scalar', value: null, templates: [], spot }
    const replaced = replaceAt(changed, path.split('.'), value, spot)
    if (replaced?.kind === 'map') changed = replaced
    else faults.add(spot, 'bad-override', `\`${path}\` leads into a value that has no fields`)
  }
  return changed
}

function checkPath(root: YamlMap, path: string, spot: Spot, faults: Faults): boolean {
  const [top, node, section, ...rest] = path.split('.')
  if (top === 'params') {
    faults.add(spot, 'bad-override', '`--set` reaches nodes only', `use \`--param ${node ?? 'NAME'}=...\``)
    return false
  }
  const isForm =
    top === 'nodes' &&
    node !== undefined &&
    section !== undefined &&
    ((section !== 'uses' && section !== 'when') || rest.length === 0) &&
    rest.every((field) => field !== '')
  const nodes = root.entries.get('nodes')?.value
  if (top === 'nodes' && node !== undefined && nodes?.kind === 'map' && !nodes.entries.has(node)) {
    const hint = suggestionHint(node, [...nodes.entries.keys()], 'nodes')
    faults.add(spot, 'unknown-node', `the workflow has no node \`${node}\``, hint)
    return false
  }
  if (isForm && SECTIONS.includes(section)) return true
  faults.add(
    spot,
    'bad-override',
    `\`${path}\` names nothing that can be set`,
    'for example `--set nodes.NODE.with.FIELD=VALUE`',
  )
  return false
}

/** A copy with one value replaced, missing mappings on the way made; undefined where a scalar bars the way. */
function replaceAt(
  value: YamlValue,
  path: readonly string[],
  wanted: YamlValue,
  spot: Spot,
): YamlValue | undefined {
  const [field, ...rest] = path
  if (field === undefined) return wanted
  if (value.kind === 'list') {
    const index = Number(field)
    const item = value.items[index]
    if (item === undefined) return undefined
    const replaced = replaceAt(item, rest, wanted, spot)
    return replaced && { ...value, items: value.items.with(index, replaced) }
  }
  if (value.kind === 'scalar' && value.value !== null) return undefined
  const entries: ReadonlyMap<string, YamlEntry> = value.kind === 'map' ? value.entries : new Map()
  const entry = entries.get(field)
  const child: YamlValue = entry?.value ?? { kind: 'scalar', value: null, templates: [], spot }
  const replaced = replaceAt(child, rest, wanted, spot)
  if (replaced === undefined) return undefined
  const keySpot = entry?.keySpot ?? spot
  return {
    kind: 'map',
    entries: new Map(entries).set(field, { key: field, keySpot, value: replaced }),
    spot: value.spot,
  }
}
