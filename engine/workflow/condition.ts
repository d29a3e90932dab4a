/** @file `when`: why a node does not run. */
import { resolveCondition } from './resolve-references.ts'
import type { Scope } from './scope.ts'
import type { YamlMap, YamlScalar } from './yaml-value.ts'

/** Why a node does not run, where it has a condition that is false. */
export function conditionOf(node: YamlMap, scope: Scope): string | undefined {
  const written = node.entries.get('when')?.value
  if (written?.kind !== 'scalar' || resolveCondition(written, scope) !== false) return undefined
  return `its condition is false: ${conditionText(written)}`
}

function conditionText({ value, templates }: YamlScalar): string {
  const [only] = templates
  return only === undefined ? String(value) : only.text.slice('${{'.length, -'}}'.length).trim()
}
