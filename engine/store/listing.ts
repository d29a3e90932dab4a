/** @file The results in the store as a person asks for them: whose they are, how large, when they were last used. */
import type { CacheKey } from '../identity.ts'
import { storedRecords } from './inventory.ts'
import type { Layout } from './layout.ts'
import type { Pin } from './pins.ts'
import { lastUses, type RunUse } from './run-use.ts'

export const RESULT_ORDERS = ['used', 'made', 'size', 'node', 'stage'] as const
export type ResultOrder = (typeof RESULT_ORDERS)[number]

export interface Listed {
  readonly key: CacheKey
  readonly stage: string
  /** Whose result it was in the runs that are kept, the latest first. */
  readonly nodes: readonly { readonly file: string; readonly node: string }[]
  /** ISO 8601. */
  readonly createdAt: string
  /** Milliseconds since the epoch. */
  readonly usedMs: number
  /** Of its outputs, shared or not. */
  readonly sizeBytes: number
  /** Names of the pins that hold it. */
  readonly pins: readonly string[]
}

/** `uses`: of the kept runs, latest first. */
export function listResults(
  layout: Layout,
  pins: readonly Pin[],
  uses: readonly RunUse[],
  order: ResultOrder,
): Listed[] {
  const last = lastUses(uses)
  const nodes = nodesOf(uses)
  const listed = [...storedRecords(layout)].map((record): Listed => {
    const { key } = record
    const { preimage, createdAt, outputs } = record
    return {
      key,
      stage: preimage.stage,
      nodes: nodes.get(key) ?? [],
      createdAt,
      usedMs: Math.max(Date.parse(createdAt), last.get(key) ?? 0),
      sizeBytes: Object.values(outputs).reduce((sum, output) => sum + output.sizeBytes, 0),
      pins: pins.filter((pin) => pin.key === key).map(({ name }) => name),
    }
  })
  return listed.sort(comparisons[order])
}

/** Key -> whose result it was, the latest first. */
export function nodesOf(uses: readonly RunUse[]): Map<CacheKey, { file: string; node: string }[]> {
  const nodes = new Map<CacheKey, { file: string; node: string }[]>()
  for (const { file, keys } of uses) {
    for (const [node, key] of keys) {
      const known = nodes.get(key) ?? []
      if (!known.some((use) => use.file === file && use.node === node)) known.push({ file, node })
      nodes.set(key, known)
    }
  }
  return nodes
}

const comparisons: Readonly<Record<ResultOrder, (a: Listed, b: Listed) => number>> = {
  used: (a, b) => b.usedMs - a.usedMs || byText(a.key, b.key),
  made: (a, b) => byText(b.createdAt, a.createdAt) || byText(a.key, b.key),
  size: (a, b) => b.sizeBytes - a.sizeBytes || byText(a.key, b.key),
  node: (a, b) => byText(a.nodes[0]?.node ?? '', b.nodes[0]?.node ?? '') || byText(a.key, b.key),
  stage: (a, b) => byText(a.stage, b.stage) || byText(a.key, b.key),
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
