/** @file The inputs of a node by content: a user's own files through the stat cache, others from what wrote them. */
import { statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { RemoteValues } from '../artifacts/remote-values.ts'
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

/** All nodes that the inputs come from must be in `outputs`, and what they take from elsewhere on this machine. */
export async function hashInputs(question: {
  readonly project: string
  readonly node: WorkflowNode
  readonly store: Store
  readonly outputs: ReadonlyMap<NodeId, NodeOutputs>
  readonly remotes: RemoteValues
}): Promise<InputHashes> {
  const { project, node, store, outputs, remotes } = question
  if (!takesOwnValues(node)) return knownInputs(node, outputs, [])
  const hashOf = async (source: InputSource): Promise<ContentHash> => {
    if (source.kind === 'node') return outputOf(outputs, source).hash
    return (await hashFile(store, await ownPath(project, source, remotes))).hash
  }
  const hashes = await Promise.all(
    Object.entries(node.inputs).map(
      async ([port, binding]) => [port, await hashBinding(binding, hashOf)] as const,
    ),
  )
  return Object.fromEntries(hashes)
}

/** Most nodes of a large workflow read what others write and nothing else: nothing is awaited for them. */
export function takesOwnValues(node: WorkflowNode): boolean {
  return Object.values(node.inputs).some((binding) =>
    binding.many
      ? binding.sources.some(({ source }) => source.kind !== 'node')
      : binding.source.kind !== 'node',
  )
}

/** A user's own file of which no byte has changed since it was hashed. */
export interface KnownFile {
  readonly port: string
  readonly source: InputSource
  /** Absolute. */
  readonly path: string
  readonly hash: ContentHash
}

/** All values of the user's own that the node takes; nothing where one is no such file. */
export function knownOwnFiles(project: string, node: WorkflowNode, store: Store): KnownFile[] | undefined {
  if (!takesOwnValues(node)) return []
  const files: KnownFile[] = []
  for (const { port, source } of inputSources(node)) {
    if (source.kind === 'node') continue
    const path = source.kind === 'file' ? resolve(project, source.path) : undefined
    const hash = path === undefined ? undefined : store.peekFile(path)
    if (path === undefined || hash === undefined) return undefined
    files.push({ port, source, path, hash })
  }
  return files
}

/** The inputs of a node whose own values are all in `own`. */
export function knownInputs(
  node: WorkflowNode,
  outputs: ReadonlyMap<NodeId, NodeOutputs>,
  own: readonly KnownFile[],
): InputHashes {
  const hashOf = (source: InputSource) => {
    if (source.kind === 'node') return outputOf(outputs, source).hash
    const known = own.find((file) => file.source === source)
    if (known === undefined) throw new Error(`${node.id} takes a value that is not known`)
    return known.hash
  }
  return Object.fromEntries(
    Object.entries(node.inputs).map(([port, binding]) => [
      port,
      binding.many
        ? Object.fromEntries(binding.sources.map(({ label, source }) => [label, hashOf(source)]))
        : hashOf(binding.source),
    ]),
  )
}

/** Absolute path of a value that no node writes. */
export async function ownPath(
  project: string,
  source: Exclude<InputSource, { kind: 'node' }>,
  remotes: RemoteValues,
): Promise<string> {
  if (source.kind === 'file') return resolve(project, source.path)
  const path = await remotes.find(source)
  if (path === undefined) throw new Error(`${source.text} is read before it was fetched`)
  return path
}

/** What the node takes from elsewhere and is not on this machine yet, as written. */
export async function absentRemotes(node: WorkflowNode, remotes: RemoteValues): Promise<string[]> {
  const absent = new Set<string>()
  for (const { source } of inputSources(node)) {
    if (source.kind === 'remote' && (await remotes.find(source)) === undefined) absent.add(source.text)
  }
  return [...absent]
}

/** Of a user's own file or folder. Rejects as `stat` does where there is none. */
export async function hashFile(
  store: Store,
  path: string,
): Promise<{ readonly kind: 'file' | 'folder'; readonly hash: ContentHash; readonly sizeBytes: number }> {
  const kind = statSync(path).isDirectory() ? 'folder' : 'file'
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
