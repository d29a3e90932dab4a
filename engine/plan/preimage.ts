/** @file What a node's cache key is made of, read off the node and the content of its inputs. */
import { environmentDigests, type InputHashes, KEY_SCHEMA, type KeyPreimage } from '../fingerprint/key.ts'
import type { WorkflowNode } from '../workflow/workflow.ts'

export function keyPreimage(
  node: WorkflowNode,
  inputs: InputHashes,
  environment: Readonly<Record<string, string | undefined>>,
): KeyPreimage {
  const { stage } = node
  const params = Object.entries(node.params).filter(([name]) => !stage.cosmetic.includes(name))
  return {
    schema: KEY_SCHEMA,
    stage: stage.name,
    code: stage.module.digest,
    params: Object.fromEntries(params),
    inputs,
    outputs: Object.fromEntries(Object.entries(stage.outputs).map(([port, output]) => [port, output.type])),
    environment: environmentDigests(stage.environment, environment),
    sources: stage.module.sources,
  }
}
