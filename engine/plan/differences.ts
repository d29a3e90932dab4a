/** @file What differs between an earlier key of a node and its key now, with a look into the inputs themselves. */
import type { RemoteValues } from '../artifacts/remote-values.ts'
import { type ContentDifference, compareOutlines } from '../fingerprint/compare-outlines.ts'
import type { InputHashes, KeyPreimage } from '../fingerprint/key.ts'
import { differenceText, type KeyDifference, keyDifferences } from '../fingerprint/key-difference.ts'
import type { ContentHash } from '../identity.ts'
import type { Store } from '../store/store.ts'
import type { WorkflowNode } from '../workflow/workflow.ts'
import { inputSources, ownPath } from './inputs.ts'

export interface ExplainedDifference extends KeyDifference {
  /** One line. */
  readonly text: string
  /** Of a changed input, where its earlier content is still known. */
  readonly content?: ContentDifference
}

/** Where an input's value lies now, if it is a user's own: absolute. */
export type PathOfInput = (port: string, label: string | undefined) => Promise<string | undefined>

/** Where the values of a node's inputs are now. */
export interface InputPlaces {
  readonly node: WorkflowNode
  readonly store: Store
  readonly remotes: RemoteValues
}

/** All of them. Without `pathOf` only what is kept in the store says where inputs differ. */
export async function explainedDifferences(
  before: KeyPreimage,
  after: KeyPreimage,
  store: Store,
  pathOf?: PathOfInput,
): Promise<ExplainedDifference[]> {
  return await Promise.all(
    keyDifferences(before, after).map(async (difference) => {
      const content = await contentOf(difference, store, pathOf)
      const text = differenceText(difference, content?.text)
      return { ...difference, text, ...(content === undefined ? {} : { content }) }
    }),
  )
}

/** The first difference, and how many more there are: one line. */
export async function reasonText({
  difference,
  others,
  ...places
}: InputPlaces & { readonly difference: KeyDifference; readonly others: number }): Promise<string> {
  const content = await contentOf(difference, places.store, pathsOf(places))
  const text = differenceText(difference, content?.text)
  return others === 0 ? text : `${text} (and ${others} more ${others === 1 ? 'change' : 'changes'})`
}

export function pathsOf({ node, store, remotes }: InputPlaces): PathOfInput {
  return async (port, label) => {
    const source = inputSources(node).find((one) => one.port === port && one.label === label)?.source
    if (source === undefined || source.kind === 'node') return undefined
    return await ownPath(store.project, source, remotes)
  }
}

/** Where two values differ; nothing where one of them is not known any more. */
export async function contentDifference(
  store: Store,
  before: ContentHash,
  after: ContentHash,
  pathNow?: string,
): Promise<ContentDifference | undefined> {
  const old = await store.outline(before)
  const now = old === undefined ? undefined : await store.outline(after, pathNow)
  return old === undefined || now === undefined ? undefined : compareOutlines(old, now)
}

/** What its own files are made of now, for the reasons of later runs. Never fails a node. */
export async function rememberOwnValues(
  { store, remotes }: Pick<InputPlaces, 'store' | 'remotes'>,
  node: WorkflowNode,
  inputs: InputHashes,
): Promise<void> {
  for (const { port, label, source } of inputSources(node)) {
    if (source.kind === 'node') continue
    const hashes = inputs[port]
    const hash = typeof hashes === 'object' ? hashes[label ?? ''] : hashes
    if (hash === undefined) continue
    // A full disk costs a later reason its detail.
    await store.rememberOutline(hash, await ownPath(store.project, source, remotes)).catch(() => undefined)
  }
}

async function contentOf(
  { part, change, before, after, port, label }: KeyDifference,
  store: Store,
  pathOf?: PathOfInput,
): Promise<ContentDifference | undefined> {
  if (part !== 'input' || port === undefined || change !== 'changed') return undefined
  if (typeof before !== 'string' || typeof after !== 'string') return undefined
  const path = await pathOf?.(port, label)
  return await contentDifference(store, before as ContentHash, after as ContentHash, path)
}
