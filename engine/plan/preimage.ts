/** @file What a node's cache key is made of, read off the node and the content of its inputs. */
import { environmentDigests, type InputHashes, KEY_SCHEMA, type KeyPreimage } from '../fingerprint/key.ts'
import type { JsonObject } from '../identity.ts'
import type { WorkflowNode } from '../workflow/workflow.ts'
import { nodeEnvironment } from './node-environment.ts'

export function keyPreimage(
  node: WorkflowNode,
  inputs: InputHashes,
  environment: Readonly<Record<string, string | undefined>>,
): KeyPreimage {
  const { stage, policy } = node
  return {
    schema: KEY_SCHEMA,
    stage: stage.name,
    code: stage.module.digest,
    params: stage.cosmetic.reduce(withoutPath, node.params),
    inputs,
    outputs: Object.fromEntries(Object.entries(stage.outputs).map(([port, output]) => [port, output.type])),
    environment: environmentDigests(
      [...stage.environment, ...Object.keys(policy.env ?? {})],
      nodeEnvironment(node, environment),
    ),
    sources: stage.module.sources,
    packages: stage.module.packages,
  }
}

/** The parameters without the one that a dotted path leads to. */
function withoutPath(params: JsonObject, path: string): JsonObject {
  const [name = '', ...rest] = path.split('.')
  const { [name]: value, ...others } = params
  if (rest.length === 0 || value === undefined) return others
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return params
  return { ...others, [name]: withoutPath(value as JsonObject, rest.join('.')) }
}
