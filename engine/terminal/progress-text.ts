/** @file A node's progress in one line: "step 40/120, loss 1.234, 812 tokens/s, 1m 20s left". */
import { durationText, numberText } from './quantities.ts'
import type { NodeView } from './view-model.ts'

export function progressText(node: NodeView): string {
  const { progress } = node
  if (progress === undefined) return node.lastLine ?? ''
  const parts: string[] = []
  const unit = progress.unit ?? 'step'
  parts.push(
    progress.total === undefined ? `${unit} ${progress.step}` : `${unit} ${progress.step}/${progress.total}`,
  )
  if (progress.loss !== undefined) parts.push(`loss ${numberText(progress.loss)}`)
  if (progress.tokensPerSecond !== undefined) parts.push(`${Math.round(progress.tokensPerSecond)} tokens/s`)
  if (node.remainingMs !== undefined) parts.push(`${durationText(node.remainingMs)} left`)
  if (progress.note !== undefined) parts.push(progress.note)
  return parts.join(', ')
}

const blocks = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** Values as a row of bars between their own minimum and maximum. */
export function sparkline(values: readonly number[]): string {
  const finite = values.filter(Number.isFinite)
  const low = Math.min(...finite)
  const range = Math.max(...finite) - low
  return finite
    .map((value) => blocks[range === 0 ? 0 : Math.round(((value - low) / range) * (blocks.length - 1))])
    .join('')
}
