/** @file One node in the live view: a line, and below it, while it runs, why it runs and what it last said. */
import { Box, Text } from 'ink'
import { progressText, sparkline } from '../progress-text.ts'
import { durationText } from '../quantities.ts'
import { outputText } from '../summary.ts'
import type { NodeState, NodeView } from '../view-model.ts'
import { ProgressBar } from './progress-bar.tsx'

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
}

export function NodeRow({ node, nowMs, nameWidth }: NodeRowProps) {
  const { glyph, color } = glyphs[node.state]
  const { progress } = node
  const total = node.state === 'running' ? progress?.total : undefined
  return (
    <Box flexDirection="column">
      <Box>
        <Box flexShrink={0}>
          <Text color={color}>{glyph} </Text>
          <Text bold={node.state === 'running'}>{node.node.padEnd(nameWidth)} </Text>
          <Text dimColor>{node.stage === node.node ? '' : `${node.stage} `}</Text>
          {progress !== undefined && total !== undefined && (
            <ProgressBar step={progress.step} total={total} />
          )}
        </Box>
        <Text wrap="truncate-end" dimColor={node.state !== 'running' && node.state !== 'failed'}>
          {stateText(node, nowMs)}
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

function stateText(node: NodeView, nowMs: number): string {
  switch (node.state) {
    case 'waiting':
      return 'waiting'
    case 'running': {
      const text = progressText(node)
      const elapsed = durationText(Math.max(0, nowMs - (node.startedAtMs ?? nowMs)))
      return [sparkline(node.losses), text, elapsed].filter((part) => part !== '').join('  ')
    }
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
