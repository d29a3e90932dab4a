/** @file The whole live view: what was said above, a line about the run, one row a node. */
import { Box, Static, Text, useStdout } from 'ink'
import { useSyncExternalStore } from 'react'
import { useClock } from '../hooks/use-clock.ts'
import type { ViewSource } from '../live.ts'
import { clockText, durationText } from '../quantities.ts'
import type { RunView } from '../view-model.ts'
import { visibleNodes } from '../visible-nodes.ts'
import { NodeRow } from './node-row.tsx'

export function RunScreen({ source }: { readonly source: ViewSource }) {
  const view = useSyncExternalStore(source.subscribe, source.view)
  const said = useSyncExternalStore(source.subscribe, source.said)
  const below = useSyncExternalStore(source.subscribe, source.below ?? nothing)
  const nowMs = useClock()
  const { stdout } = useStdout()
  const { nodes, hidden } = visibleNodes(view.nodes, (stdout.rows ?? 24) - 5)
  const nameWidth = Math.max(0, ...view.nodes.map((node) => node.node.length))
  return (
    <>
      <Static items={[...said]}>
        {({ text, warning }, index) => (
          <Text key={index} {...(warning ? { color: 'yellow' } : {})}>
            {text}
          </Text>
        )}
      </Static>
      <Box flexDirection="column">
        <Text>
          <Text bold>{view.workflow}</Text>
          <Text dimColor>
            {' '}
            {view.file}{' '}
            {view.finished === undefined
              ? clockText(Math.max(0, nowMs - view.startedAtMs))
              : durationText(view.finished.durationMs)}
          </Text>
        </Text>
        {nodes.map((node) => (
          <NodeRow
            key={node.node}
            node={node}
            nowMs={nowMs}
            nameWidth={nameWidth}
            columns={stdout.columns ?? 80}
          />
        ))}
        {hidden > 0 && <Text dimColor>{hiddenText(view, hidden)}</Text>}
        {below !== undefined && <Text dimColor>{below}</Text>}
      </Box>
    </>
  )
}

const nothing = () => undefined

function hiddenText(view: RunView, hidden: number): string {
  const waiting = view.nodes.filter((node) => node.state === 'waiting').length
  return `  and ${hidden} more (${waiting} waiting in all)`
}
