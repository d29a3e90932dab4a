/** @file A node's `out` into the paths at which its outputs are to lie. */
import type { Callee } from './callee.ts'
import { normalizePath, type PathClaim } from './paths.ts'
import { resolveOutputPath } from './resolve-references.ts'
import type { Scope } from './scope.ts'
import { suggestionHint } from './suggest.ts'
import type { YamlMap } from './yaml-value.ts'

export function bindOutputs(
  node: string,
  written: YamlMap | undefined,
  callee: Callee | undefined,
  scope: Scope,
): PathClaim[] {
  const claims: PathClaim[] = []
  for (const { key: port, keySpot, value } of written?.entries.values() ?? []) {
    if (callee !== undefined && !Object.hasOwn(callee.outputs, port)) {
      const hint = suggestionHint(port, Object.keys(callee.outputs), 'its outputs')
      const message = `${callee.what} \`${callee.name}\` has no output \`${port}\``
      scope.faults.add(keySpot, 'unknown-port', message, hint)
    }
    const text = value.kind === 'scalar' ? resolveOutputPath(value, scope) : undefined
    if (text === undefined || text === '') continue
    const normal = normalizePath(text, 'output')
    if ('path' in normal) claims.push({ node, port, path: normal.path, spot: value.spot })
    else scope.faults.add(value.spot, 'bad-path', normal.fault, normal.hint)
  }
  return claims
}
