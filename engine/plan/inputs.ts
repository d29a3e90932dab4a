/** @file The inputs of a node by content: a user's own files through the stat cache, others from what wrote them. */
import { stat } from 'node:fs/promises'
import { resolve } from 'node:path'
import type { InputHashes } from '../fingerprint/key.ts'
import type { ContentHash, NodeId } from '../identity.ts'
import type { ActionRecord, Store } from '../store/store.ts'
import type { InputBinding, InputSource, WorkflowNode } from '../workflow/workflow.ts'

/** What a node wrote, by port. */
export type NodeOutputs = ActionRecord['outputs']

/** All sources of a node with the port (and label) that they feed. */
export function inputSources(
  node: WorkflowNode,
): { readonly port: string; readonly label?: string; readonly source: InputSource }[] {
  return Object.entries(node.inputs).flatMap(([port, binding]) =>
    binding.many
      ? binding.sources.map(({ label, source }) => ({ port, label, source }))
      : [{ port, source: binding.source }],
  )
}

/** All nodes that the inputs come from must be in `outputs`. */
export async function hashInputs(question: {
  readonly project: string
  readonly node: WorkflowNode
  readonly store: Store
  readonly outputs: ReadonlyMap<NodeId, NodeOutputs>
}): Promise<InputHashes> {
  const { project, node, store, outputs } = question
  const hashOf = async (source: InputSource): Promise<ContentHash> => {
    if (source.kind === 'node') return outputOf(outputs, source).hash
    return (await hashFile(store, resolve(project, source.path))).hash
  }
  const hashes = await Promise.all(
    Object.entries(node.inputs).map(
      async ([port, binding]) => [port, await hashBinding(binding, hashOf)] as const,
    ),
  )
  return Object.fromEntries(hashes)
}

/** Of a user's own file or folder. Rejects as `stat` does where there is none. */
export async function hashFile(
  store: Store,
  path: string,
): Promise<{ readonly kind: 'file' | 'folder'; readonly hash: ContentHash; readonly sizeBytes: number }> {
  const kind = (await stat(path)).isDirectory() ? 'folder' : 'file'
  return { kind, ...(await store.hashValue(path, kind)) }
}

export function outputOf(
  outputs: ReadonlyMap<NodeId, NodeOutputs>,
  source: { readonly node: NodeId; readonly port: string },
): NodeOutputs[string] {
  const value = outputs.get(source.node)?.[source.port]
  if (value === undefined) throw new Error(`${source.node}.${source.port} is read before it was written`)
  return value
}

async function hashBinding(
  binding: InputBinding,
  hashOf: (source: InputSource) => Promise<ContentHash>,
): Promise<ContentHash | Record<string, ContentHash>> {
  if (!binding.many) return await hashOf(binding.source)
  const labelled = await Promise.all(
    binding.sources.map(async ({ label, source }) => [label, await hashOf(source)] as const),
  )
  return Object.fromEntries(labelled)
}
