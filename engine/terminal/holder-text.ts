/** @file Who does the work that a node waits for: "another run is at it (process 4711 since 12:03:04): step 3/10". */
import { hostname } from 'node:os'
import { progressText } from './progress-text.ts'
import type { NodeView } from './view-model.ts'

/** `undefined` where the node waits for no other process. */
export function holderText(node: NodeView): string | undefined {
  const { holder } = node
  if (holder === undefined) return undefined
  const place = holder.host === hostname() ? '' : ` on ${holder.host}`
  const since = new Date(holder.since).toTimeString().slice(0, 8)
  const progress = node.progress === undefined ? '' : `: ${progressText(node)}`
  return `another run is at it (process ${holder.pid}${place} since ${since})${progress}`
}
