/** @file A node's progress in one line: "step 40/120, loss 1.234, 812 tokens/s, 1m 20s left". */
import { heartbeatText } from './heartbeat-text.ts'
import { clockText, durationText, numberText } from './quantities.ts'
import type { NodeView } from './view-model.ts'

export function progressText(node: NodeView): string {
  const { progress } = node
  if (progress === undefined) return node.lastLine ?? ''
  const { count, loss, rate, left } = progressParts(node)
  return [count, loss, rate, left, progress.note].filter((part) => part !== undefined).join(', ')
}

function progressParts({ progress, remainingMs }: NodeView) {
  const unit = progress?.unit ?? 'step'
  const total = progress?.total === undefined ? '' : `/${progress.total}`
  return {
    count: progress === undefined ? undefined : `${unit} ${progress.step}${total}`,
    loss: progress?.loss === undefined ? undefined : `loss ${numberText(progress.loss)}`,
    rate:
      progress?.tokensPerSecond === undefined
        ? undefined
        : `${Math.round(progress.tokensPerSecond)} tokens/s`,
    left: remainingMs === undefined ? undefined : `${durationText(remainingMs)} left`,
  }
}

const separator = '  '

/**
 * The line of a running node in the live view. Where there is no room for all of it, what matters least goes first:
 * the sparkline, the rate, the clock; how far it is and how long it will take stay to the last.
 * @param columns that it may fill
 */
export function runningText(node: NodeView, nowMs: number, columns: number): string {
  const { count, loss, rate, left } = progressParts(node)
  const { heartbeat } = node
  const beat = heartbeat && heartbeatText(heartbeat)
  const pieces = [
    { text: heartbeat?.stalledMs === undefined ? undefined : beat, importance: 6 },
    { text: count ?? node.lastLine, importance: 6 },
    { text: left, importance: 5 },
    { text: node.progress?.note, importance: 4 },
    { text: loss, importance: 3 },
    { text: sparkline(node.losses), importance: 0 },
    { text: rate, importance: 1 },
    { text: heartbeat?.stalledMs === undefined ? beat : undefined, importance: 1 },
    { text: clockText(Math.max(0, nowMs - (node.startedAtMs ?? nowMs))), importance: 2 },
  ].filter(({ text }) => text !== undefined && text !== '')
  for (let least = 0; least < 6; least++) {
    const line = pieces.filter(({ importance }) => importance >= least).map(({ text }) => text)
    if (line.join(separator).length <= columns) return line.join(separator)
  }
  return pieces[0]?.text ?? ''
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
