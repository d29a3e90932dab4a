/**
 * @file Whether one node, its inputs being known by content, is reused or must run, and why. Reads the store,
 * changes nothing in it but for the quarantine of values found damaged.
 */
import type { RemoteValues } from '../artifacts/remote-values.ts'
import { cacheKey, type InputHashes, type KeyPreimage } from '../fingerprint/key.ts'
import { keyDifferences } from '../fingerprint/key-difference.ts'
import type { CacheKey } from '../identity.ts'
import type { ReusableRecord, Store, Taking } from '../store/store.ts'
import type { Workflow, WorkflowNode } from '../workflow/workflow.ts'
import { reasonText } from './differences.ts'
import { keyPreimage } from './preimage.ts'
import { isNamed } from './selection.ts'

export type Decision = {
  readonly key: CacheKey
  readonly preimage: KeyPreimage
  /** One line. */
  readonly reason: string
  /** It runs although the store may have its result, which is then replaced. */
  readonly refresh: boolean
} & (
  | {
      readonly decision: 'reuse'
      readonly record: ReusableRecord
      /** State of the record's file, where the record was read for this and that betrays a later change. */
      readonly state?: string | undefined
    }
  | { readonly decision: 'run' }
)

/** `--refresh`: these nodes run although the store has their results. */
export type Refresh = 'none' | 'all' | { readonly node: string }

export function isRefreshed(refresh: Refresh, node: WorkflowNode): boolean {
  return refresh === 'all' || (refresh !== 'none' && isNamed(node, refresh.node))
}

const upToDate = 'up to date'

export interface Question {
  readonly workflow: Workflow
  readonly node: WorkflowNode
  readonly inputs: InputHashes
  readonly store: Store
  readonly refresh: Refresh
}

/** Where that needs no look at anything that has changed since the node's latest run. */
export function decideAtOnce(question: Question): Decision | undefined {
  return decideKnown(question, identify(question))
}

/** @param taking how a result is taken in that a shared cache has */
export async function decide(
  question: Question & { readonly remotes: RemoteValues },
  taking: Taking = {},
): Promise<Decision> {
  const identity = identify(question)
  const known = decideKnown(question, identity)
  if (known !== undefined) return known
  const { workflow, node, store } = question
  const { key, preimage } = identity
  const found = await store.lookup(key, taking)
  if (found.record !== undefined) {
    const { record, state, origin: reason = upToDate } = found
    return { decision: 'reuse', key, preimage, record, state, reason, refresh: false }
  }
  const last = await store.lastRun({ file: workflow.file, node: node.id })
  const [first, ...others] = last === undefined ? [] : keyDifferences(last.preimage, preimage)
  const reason =
    first === undefined
      ? found.reason
      : await reasonText({ difference: first, others: others.length, ...question })
  return { decision: 'run', key, preimage, reason, refresh: false }
}

type Identity = Pick<Decision, 'key' | 'preimage'>

function identify({ node, inputs }: Question): Identity {
  const preimage = keyPreimage(node, inputs, process.env)
  return { key: cacheKey(preimage), preimage }
}

function decideKnown({ workflow, node, store, refresh }: Question, identity: Identity): Decision | undefined {
  if (isRefreshed(refresh, node)) {
    return { ...identity, decision: 'run', reason: 'asked for by --refresh', refresh: true }
  }
  const record = store.peek({ file: workflow.file, node: node.id }, identity.key)
  return record && { ...identity, decision: 'reuse', record, reason: upToDate, refresh: false }
}
