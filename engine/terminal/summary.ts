/** @file The last lines of a run, the same in every view. The very last ones name the root cause of a failure. */
import type { NodeCounts, NodeOutput } from '../events/event.ts'
import { countText, durationText, sizeText } from './quantities.ts'
import { lastNodes, type NodeView, type RunView } from './view-model.ts'

export function summaryLines(view: RunView): string[] {
  const { finished } = view
  if (finished === undefined) return []
  const duration = durationText(finished.durationMs)
  if (finished.ok && finished.nodes.executed === 0) {
    const lines = [`nothing to do: ${countText(finished.nodes.reused, 'node')} up to date (${duration})`]
    const results = resultPaths(view)
    if (results.length > 0) lines.push(`results: ${results.join(', ')}`)
    return lines
  }
  if (finished.ok) return [`done in ${duration}: ${countsText(finished.nodes)}`, ...resultLines(view)]
  const heading = finished.interrupted ? 'interrupted' : 'failed'
  const lines = [`${heading} after ${duration}: ${countsText(finished.nodes)}`]
  if (finished.interrupted) lines.push('run the same command again to go on from here')
  for (const node of view.nodes) lines.push(...failureLines(node))
  return lines
}

/** The failure of a node that failed by itself; nothing for any other node, its victims included. */
export function failureLines(node: NodeView): string[] {
  const { failure } = node
  if (failure === undefined) return []
  const place =
    failure.file === undefined
      ? ''
      : `${failure.file}${failure.line === undefined ? '' : `:${failure.line}`}: `
  const lines = [`error[${failure.code}]: ${node.node}: ${place}${failure.message}`]
  if (failure.hint !== undefined) lines.push(`  hint: ${failure.hint}`)
  if (node.log !== undefined) lines.push(`  log:  ${node.log}`)
  return lines
}

export function outputText(port: string, output: NodeOutput): string {
  const what = output.description ?? `${output.type}, ${sizeText(output.sizeBytes)}`
  return output.path === undefined ? `${port}: ${what}` : `${output.path} (${what})`
}

/** "3 executed, 5 reused"; counts that are zero are left out. */
export function countsText(counts: NodeCounts): string {
  const parts = (['executed', 'reused', 'failed', 'skipped'] as const)
    .filter((name) => counts[name] > 0)
    .map((name) => `${counts[name]} ${name}`)
  return parts.length === 0 ? 'no nodes' : parts.join(', ')
}

function resultLines(view: RunView): string[] {
  return lastNodes(view).flatMap((node) =>
    Object.entries(node.outputs)
      .filter(([, output]) => output.path !== undefined)
      .map(([port, output]) => `  ${node.node}: ${outputText(port, output)}`),
  )
}

function resultPaths(view: RunView): string[] {
  return lastNodes(view).flatMap((node) =>
    Object.values(node.outputs).flatMap((output) => (output.path === undefined ? [] : [output.path])),
  )
}
