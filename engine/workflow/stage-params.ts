/** @file A node's `with` into the parameters of its stage. */
import type { JsonObject } from '../identity.ts'
import type { StageManifest } from '../stage/catalog.ts'
import { resolveData } from './resolve-references.ts'
import type { Scope } from './scope.ts'
import { validateValue } from './validate-value.ts'
import type { Spot, YamlEntry, YamlMap } from './yaml-value.ts'

/** A stage's parameters: references replaced, defaults filled in, checked against its schema. */
export function stageParams(
  entry: YamlEntry | undefined,
  stage: StageManifest | undefined,
  nodeSpot: Spot,
  scope: Scope,
): JsonObject {
  if (entry !== undefined && entry.value.kind !== 'map') return {}
  const written: YamlMap =
    entry?.value.kind === 'map' ? entry.value : { kind: 'map', entries: new Map(), spot: nodeSpot }
  const { data, unknown } = resolveData(written, scope)
  const params = data as JsonObject
  if (stage !== undefined) {
    const spot = entry?.keySpot ?? nodeSpot
    const owner = `stage \`${stage.name}\``
    validateValue({ written, data: params, schema: stage.params, spot, owner, unknown }, scope.faults)
  }
  return params
}
