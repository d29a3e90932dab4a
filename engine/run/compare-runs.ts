/** @file What differs between two runs: their nodes, keys, outputs and figures. */
import type { ContentDifference } from '../fingerprint/compare-outlines.ts'
import type { CacheKey, ContentHash } from '../identity.ts'
import { contentDifference, type ExplainedDifference, explainedDifferences } from '../plan/differences.ts'
import type { StageFailureDetails } from '../stage/failure.ts'
import type { Store } from '../store/store.ts'
import type { RunNodeState, RunState } from './journal.ts'
import { outputNumbers } from './output-numbers.ts'

/** Of a thing that one of the runs lacks, one of the two is absent. */
export interface Pair<Value> {
  readonly before?: Value
  readonly after?: Value
}

export interface ComparedOutput extends Pair<ContentHash> {
  readonly port: string
  /** Where both are still known. */
  readonly content?: ContentDifference
}

export interface ComparedNumber extends Pair<number> {
  /** Dotted path in the output. */
  readonly name: string
  /** `after - before`. */
  readonly difference?: number
}

export interface ComparedNode {
  readonly node: string
  readonly stage: string
  readonly change: 'added' | 'removed' | 'changed' | 'same'
  /** Its name in the earlier run, where a node of another name had the same key there. */
  readonly renamedFrom?: string
  readonly state: Pair<RunNodeState['state']>
  readonly durationMs: Pair<number>
  readonly key: Pair<CacheKey>
  readonly failure: Pair<StageFailureDetails>
  /** Between the keys; absent where they are equal, or where what one of them was made of is not known. */
  readonly differences?: readonly ExplainedDifference[]
  /** Outputs whose bytes differ. */
  readonly outputs: readonly ComparedOutput[]
  /** Port -> its figures, where both runs have some. */
  readonly numbers: Readonly<Record<string, readonly ComparedNumber[]>>
}

/** Nodes in the order of the later run, then those that it lacks. */
export async function compareRuns(store: Store, before: RunState, after: RunState): Promise<ComparedNode[]> {
  const renamed = renamedNodes(before, after)
  const old = new Map(Object.entries(before.nodes))
  const nodes: ComparedNode[] = []
  for (const [node, now] of Object.entries(after.nodes)) {
    const earlier = old.get(node)
    const from = renamed.get(node)
    const was = earlier ?? (from === undefined ? undefined : before.nodes[from])
    const compared = await compareNode(store, node, was, now)
    nodes.push(from === undefined ? compared : { ...compared, change: 'changed', renamedFrom: from })
    old.delete(from ?? node)
  }
  for (const [node, was] of old) nodes.push(await compareNode(store, node, was, undefined))
  return nodes
}

/** New name -> old name, of nodes that each run has under one name only, with equal keys. */
function renamedNodes(before: RunState, after: RunState): ReadonlyMap<string, string> {
  const gone = new Map<string, string>()
  for (const [node, { key }] of Object.entries(before.nodes)) {
    if (key !== undefined && !Object.hasOwn(after.nodes, node)) gone.set(key, node)
  }
  const renamed = new Map<string, string>()
  for (const [node, { key }] of Object.entries(after.nodes)) {
    const from = key === undefined || Object.hasOwn(before.nodes, node) ? undefined : gone.get(key)
    if (key === undefined || from === undefined) continue
    renamed.set(node, from)
    gone.delete(key)
  }
  return renamed
}

async function compareNode(
  store: Store,
  node: string,
  was: RunNodeState | undefined,
  now: RunNodeState | undefined,
): Promise<ComparedNode> {
  const stage = now?.stage ?? was?.stage ?? ''
  const pair = <Field extends 'state' | 'durationMs' | 'key' | 'failure'>(field: Field) => ({
    ...(was?.[field] === undefined ? {} : { before: was[field] }),
    ...(now?.[field] === undefined ? {} : { after: now[field] }),
  })
  const differences = await keyChanges(store, was?.key, now?.key)
  const outputs: ComparedOutput[] = []
  const numbers: Record<string, readonly ComparedNumber[]> = {}
  const ports = new Set([...Object.keys(was?.outputs ?? {}), ...Object.keys(now?.outputs ?? {})])
  for (const port of ports) {
    // Of a node that one run lacks there is nothing to compare.
    if (was === undefined || now === undefined) break
    const hashes = [was.outputs?.[port]?.hash, now.outputs?.[port]?.hash] as const
    const figures = comparedNumbers(store, ...hashes)
    if (figures !== undefined) numbers[port] = figures
    if (hashes[0] !== hashes[1]) outputs.push(await compareOutput(store, port, ...hashes))
  }
  const isSame =
    isDone(was) === isDone(now) && was?.key === now?.key && outputs.length === 0 && was?.stage === now?.stage
  return {
    node,
    stage,
    change: was === undefined ? 'added' : now === undefined ? 'removed' : isSame ? 'same' : 'changed',
    state: pair('state'),
    durationMs: pair('durationMs'),
    key: pair('key'),
    failure: pair('failure'),
    ...(differences === undefined ? {} : { differences }),
    outputs,
    numbers,
  }
}

/** Executed or reused, its outputs are there. */
function isDone(node: RunNodeState | undefined): boolean {
  return node?.state === 'executed' || node?.state === 'reused'
}

async function keyChanges(
  store: Store,
  before: CacheKey | undefined,
  after: CacheKey | undefined,
): Promise<ExplainedDifference[] | undefined> {
  if (before === undefined || after === undefined || before === after) return undefined
  const [was, now] = [await store.record(before), await store.record(after)]
  if (was === undefined || now === undefined) return undefined
  return await explainedDifferences(was.preimage, now.preimage, store)
}

async function compareOutput(
  store: Store,
  port: string,
  before: ContentHash | undefined,
  after: ContentHash | undefined,
): Promise<ComparedOutput> {
  const known = before !== undefined && after !== undefined
  const content = known ? await contentDifference(store, before, after) : undefined
  return {
    port,
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
    ...(content === undefined ? {} : { content }),
  }
}

function comparedNumbers(
  store: Store,
  before: ContentHash | undefined,
  after: ContentHash | undefined,
): ComparedNumber[] | undefined {
  const old = before === undefined ? undefined : outputNumbers(store, before)
  const now = after === undefined ? undefined : outputNumbers(store, after)
  if (old === undefined || now === undefined) return undefined
  return [...new Set([...old.keys(), ...now.keys()])].map((name) => {
    const [one, other] = [old.get(name), now.get(name)]
    return {
      name,
      ...(one === undefined ? {} : { before: one }),
      ...(other === undefined ? {} : { after: other }),
      ...(one === undefined || other === undefined ? {} : { difference: other - one }),
    }
  })
}
