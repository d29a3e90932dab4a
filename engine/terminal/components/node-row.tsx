/** @file One node in the live view: a line, and below it, while it runs, why it runs and what it last said. */
import { Box, Text } from 'ink'
import { holderText } from '../holder-text.ts'
import { runningText } from '../progress-text.ts'
import { clockText, durationText } from '../quantities.ts'
import { outputText } from '../summary.ts'
import type { NodeState, NodeView } from '../view-model.ts'
import { ProgressBar, progressBarColumns } from './progress-bar.tsx'

const glyphs: Readonly<Record<NodeState, { readonly glyph: string; readonly color: string }>> = {
  waiting: { glyph: '○', color: 'gray' },
  running: { glyph: '●', color: 'cyan' },
  executed: { glyph: '✔', color: 'green' },
  reused: { glyph: '↺', color: 'green' },
  failed: { glyph: '✖', color: 'red' },
  skipped: { glyph: '–', color: 'gray' },
}

export interface NodeRowProps {
  readonly node: NodeView
  readonly nowMs: number
  readonly nameWidth: number
  /** Width of the terminal. */
  readonly columns: number
}

/** On less, the bar would take the place of what it stands for. */
const columnsWithBar = 60

export function NodeRow({ node, nowMs, nameWidth, columns }: NodeRowProps) {
  const { glyph, color } = glyphs[node.state]
  const { progress } = node
  const stage = node.node.startsWith(node.stage) ? '' : `${node.stage} `
  const free = columns - '✔  '.length - nameWidth - stage.length
  const total = node.state === 'running' && free >= columnsWithBar ? progress?.total : undefined
  return (
    <Box flexDirection="column">
      <Box>
        <Box flexShrink={0}>
          <Text color={color}>{glyph} </Text>
          <Text bold={node.state === 'running'}>{node.node.padEnd(nameWidth)} </Text>
          <Text dimColor>{stage}</Text>
          {progress !== undefined && total !== undefined && (
            <ProgressBar step={progress.step} total={total} />
          )}
        </Box>
        <Text wrap="truncate-end" dimColor={node.state !== 'running' && node.state !== 'failed'}>
          {stateText(node, nowMs, total === undefined ? free : free - progressBarColumns)}
        </Text>
      </Box>
      {node.state === 'running' && (
        <Text wrap="truncate-end" dimColor>
          {'  '.padEnd(nameWidth + 3)}
          {[node.reason, progress === undefined ? undefined : node.lastLine].filter(Boolean).join(' · ')}
        </Text>
      )}
    </Box>
  )
}

function stateText(node: NodeView, nowMs: number, columns: number): string {
  switch (node.state) {
    case 'waiting':
      if (node.holder !== undefined) return holderText(node) ?? 'waiting'
      if (node.retry !== undefined) {
        const { attempt, attempts, atMs, message } = node.retry
        return `${message}; attempt ${attempt} of ${attempts} in ${clockText(Math.max(0, atMs - nowMs))}`
      }
      // Something that it needs is being fetched.
      return node.progress === undefined ? 'waiting' : runningText(node, nowMs, columns)
    case 'running':
      return runningText(node, nowMs, columns)
    case 'executed': {
      const outputs = Object.entries(node.outputs).map(([port, output]) => outputText(port, output))
      return [durationText(node.durationMs ?? 0), ...outputs].join(', ')
    }
    case 'reused':
      return `reused: ${node.reason ?? 'up to date'}`
    case 'failed':
      return node.failure?.message ?? 'failed'
    case 'skipped':
      return node.reason ?? 'skipped'
    default:
      return node.state satisfies never
  }
}
