/**
 * @file All that is behind one node's decision: its key against its own latest run, and against the nearest earlier
 * result in the store, whichever node or workflow made that.
 */

import { cacheKey, type InputHashes, type KeyPreimage } from '../fingerprint/key.ts'
import { keyDifferences } from '../fingerprint/key-difference.ts'
import type { CacheKey, ContentHash, NodeId } from '../identity.ts'
import type { WorkflowNode } from '../workflow/workflow.ts'
import { type ExplainedDifference, explainedDifferences, pathsOf } from './differences.ts'
import { hashFile, inputSources, type NodeOutputs, ownPath } from './inputs.ts'
import type { PlannedNode } from './plan.ts'
import { keyPreimage } from './preimage.ts'
import type { RunRequest } from './prepare.ts'

export interface Comparison {
  readonly key: CacheKey
  /** ISO 8601: when the earlier result was recorded, or first was the node's latest. */
  readonly at: string
  /** What is different now; none where the keys are equal. */
  readonly differences: readonly ExplainedDifference[]
  /** The earlier one. */
  readonly preimage: KeyPreimage
}

export interface NodeExplanation {
  /** Against the node's own latest run. */
  readonly latest?: Comparison
  /** Against the result of the same stage that differs in the fewest things; of a reused node, that result itself. */
  readonly nearest?: Comparison
  /** Of a key that is not known yet: the inputs that are still to be made. `latest` then compares all others. */
  readonly unknownInputs: readonly string[]
}

type Request = Pick<RunRequest, 'workflow' | 'store' | 'remotes'>

/** `outputs`: of nodes that are reused. */
export async function explainNode(
  request: Request,
  node: WorkflowNode,
  planned: PlannedNode,
  outputs: ReadonlyMap<NodeId, NodeOutputs>,
): Promise<NodeExplanation> {
  const { workflow, store } = request
  const paths = pathsOf({ node, ...request })
  const last = await store.lastRun({ file: workflow.file, node: node.id })
  const latestAgainst = async (now: KeyPreimage): Promise<{ latest?: Comparison }> =>
    last === undefined
      ? {}
      : { latest: { ...last, differences: await explainedDifferences(last.preimage, now, store, paths) } }
  const { preimage } = planned
  if (preimage !== undefined) {
    const nearest = nearestEarlier(request, preimage, last?.key)
    if (nearest === undefined) return { ...(await latestAgainst(preimage)), unknownInputs: [] }
    const differences = await explainedDifferences(nearest.preimage, preimage, store, paths)
    return { ...(await latestAgainst(preimage)), nearest: { ...nearest, differences }, unknownInputs: [] }
  }
  if (planned.decision === 'skip') return { unknownInputs: [] }
  const { inputs, unknown } = await knownInputs(request, node, outputs, last?.preimage.inputs ?? {})
  return { ...(await latestAgainst(keyPreimage(node, inputs, process.env))), unknownInputs: unknown }
}

/** Of equally near ones the node's own latest, then the newest. */
function nearestEarlier(
  { store }: Request,
  preimage: KeyPreimage,
  lastKey: CacheKey | undefined,
): Omit<Comparison, 'differences'> | undefined {
  const own = cacheKey(preimage)
  let best:
    | { readonly rank: readonly [number, number, string]; readonly found: Omit<Comparison, 'differences'> }
    | undefined
  for (const record of store.records()) {
    if (record.preimage.stage !== preimage.stage) continue
    const { key, createdAt } = record
    const distance = key === own ? -1 : keyDifferences(record.preimage, preimage).length
    const rank = [distance, key === lastKey ? 0 : 1, createdAt] as const
    if (best !== undefined && !isNearer(rank, best.rank)) continue
    best = { rank, found: { key, at: createdAt, preimage: record.preimage } }
  }
  return best?.found
}

function isNearer(
  [distance, other, at]: readonly [number, number, string],
  [thanDistance, thanOther, thanAt]: readonly [number, number, string],
): boolean {
  if (distance !== thanDistance) return distance < thanDistance
  return other === thanOther ? at > thanAt : other < thanOther
}

/** Inputs by content as far as they exist; the others as they were before, and their names. */
async function knownInputs(
  { store, remotes }: Request,
  node: WorkflowNode,
  outputs: ReadonlyMap<NodeId, NodeOutputs>,
  before: InputHashes,
): Promise<{ readonly inputs: InputHashes; readonly unknown: readonly string[] }> {
  const inputs: Record<string, ContentHash | Record<string, ContentHash>> = {}
  const unknown: string[] = []
  for (const { port, label, source } of inputSources(node)) {
    const hash =
      source.kind === 'node' ? outputs.get(source.node)?.[source.port]?.hash : await ownHash(source)
    const known = hash ?? hashAt(before, port, label)
    if (hash === undefined) unknown.push(label === undefined ? port : `${port}.${label}`)
    if (known === undefined) continue
    const labelled = inputs[port]
    if (label === undefined) inputs[port] = known
    else inputs[port] = { ...(typeof labelled === 'object' ? labelled : {}), [label]: known }
  }
  return { inputs, unknown }

  async function ownHash(
    source: Exclude<ReturnType<typeof inputSources>[number]['source'], { kind: 'node' }>,
  ): Promise<ContentHash | undefined> {
    if (source.kind === 'remote' && (await remotes.find(source)) === undefined) return undefined
    return (await hashFile(store, await ownPath(store.project, source, remotes))).hash
  }
}

function hashAt(hashes: InputHashes, port: string, label: string | undefined): ContentHash | undefined {
  const found = hashes[port]
  return typeof found === 'object' ? found[label ?? ''] : found
}
