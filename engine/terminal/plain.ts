/** @file One line an event, for logs and pipes. Progress is thinned out; a silent node is mentioned all the same. */
import type { FlowEvent } from '../events/event.ts'
import { isWatchEvent, type WatchEvent } from '../events/watch-event.ts'
import type { NodeId } from '../identity.ts'
import type { RunDisplay } from './display.ts'
import { GrowingView } from './growing-view.ts'
import { heartbeatText } from './heartbeat-text.ts'
import { holderText } from './holder-text.ts'
import { progressText } from './progress-text.ts'
import { countText, durationText } from './quantities.ts'
import { failureLines, outputText, summaryLines } from './summary.ts'
import { nodeOf } from './view-model.ts'
import { changeText, watchingText } from './watch-text.ts'

export interface PlainOptions {
  readonly write: (text: string) => void
  /** Only failures and the last line. @default false */
  readonly quiet?: boolean
  /** Least time between two progress lines of a node. @default 3000 */
  readonly progressEveryMs?: number
  /** A running node that has not been heard of for this long is mentioned. @default 20000 */
  readonly silenceMs?: number
  /** @default Date.now */
  readonly nowMs?: () => number
}

export function plainDisplay(options: PlainOptions): RunDisplay {
  const { write, quiet = false, progressEveryMs = 3000, silenceMs = 20_000, nowMs = Date.now } = options
  const growing = new GrowingView()
  /** Lines of reused nodes wait for something else to happen: a run that does nothing says so in one line. */
  let held: string[] = []
  const printedAtMs = new Map<NodeId, number>()
  /** Said once, and again in the lines of silent nodes. */
  const stalled = new Set<NodeId>()
  /** Characters of the longest name. */
  let nameWidth = 0

  const print = (...lines: readonly string[]) => {
    if (lines.length > 0) write(`${lines.join('\n')}\n`)
  }
  const nodeLine = (id: NodeId, text: string) => `${id.padEnd(nameWidth)}  ${text}`
  const printNode = (id: NodeId, text: string) => {
    if (quiet) return
    print(...held, nodeLine(id, text))
    held = []
    printedAtMs.set(id, nowMs())
  }

  const onEvent = (event: FlowEvent | WatchEvent) => {
    if (!isWatchEvent(event)) growing.take(event, nowMs())
    switch (event.type) {
      case 'files-changed':
        // What the run before held back, it never said.
        held = []
        return print('', changeText(event))
      case 'invalid':
        return print(event.text)
      case 'watching':
        return print(watchingText(event.files))
      case 'run-started':
        for (const { node } of event.nodes) nameWidth = Math.max(nameWidth, node.length)
        if (!quiet) held.push(`${event.workflow} (${event.file}): ${countText(event.nodes.length, 'node')}`)
        return
      case 'node-started':
        return printNode(
          event.node,
          event.attempt === undefined ? `running: ${event.reason}` : `running: attempt ${event.attempt}`,
        )
      case 'node-waiting': {
        const since = nowMs() - (printedAtMs.get(event.node) ?? Number.NEGATIVE_INFINITY)
        if (since >= progressEveryMs)
          printNode(event.node, `waiting: ${holderText(nodeOf(growing.view, event.node))}`)
        return
      }
      case 'node-retrying': {
        const { attempt, attempts, delayMs, failure } = event
        const next = `attempt ${attempt} of ${attempts} in ${durationText(delayMs)}`
        return printNode(event.node, `failed: ${failure.message} (${failure.code}); ${next}`)
      }
      case 'node-progress': {
        const complete = event.total !== undefined && event.step >= event.total
        const since = nowMs() - (printedAtMs.get(event.node) ?? 0)
        if (complete || since >= progressEveryMs)
          printNode(event.node, progressText(nodeOf(growing.view, event.node)))
        return
      }
      case 'node-heartbeat': {
        if (event.stalledMs === undefined) {
          stalled.delete(event.node)
          return
        }
        if (stalled.has(event.node)) return
        stalled.add(event.node)
        return printNode(event.node, heartbeatText(event))
      }
      case 'node-log':
        return printNode(event.node, event.level === 'warning' ? `warning: ${event.message}` : event.message)
      case 'node-finished': {
        if (event.outcome === 'reused') {
          held.push(nodeLine(event.node, `reused: ${event.reason ?? 'up to date'}`))
          return
        }
        const outputs = Object.entries(event.outputs).map(([port, output]) => outputText(port, output))
        const note = event.reason === undefined ? '' : ` (${event.reason})`
        return printNode(
          event.node,
          `done in ${durationText(event.durationMs)}${note}: ${outputs.join('; ')}`,
        )
      }
      case 'node-failed':
        if (quiet) return
        printNode(event.node, `failed after ${durationText(event.durationMs)}`)
        print(...failureLines(nodeOf(growing.view, event.node)))
        if (event.failure.stack !== undefined) print(event.failure.stack)
        return
      case 'node-skipped':
        if (event.because !== 'not-selected')
          printNode(event.node, `skipped: ${nodeOf(growing.view, event.node).reason}`)
        return
      case 'warning':
        print(`warning: ${event.message}${event.hint === undefined ? '' : `\n  hint: ${event.hint}`}`)
        return
      case 'run-finished': {
        const lines = summaryLines(growing.view)
        const calm = event.ok && quiet
        return print(...(calm ? lines.slice(0, 1) : lines))
      }
      default:
        return event satisfies never
    }
  }

  const heartbeat = setInterval(() => {
    const now = nowMs()
    for (const node of growing.view.nodes) {
      if (node.state !== 'running' && (node.state !== 'waiting' || node.holder === undefined)) continue
      const quietSince = Math.max(node.heardAtMs ?? now, printedAtMs.get(node.node) ?? 0)
      if (now - quietSince < silenceMs) continue
      const waited = holderText(node)
      if (waited !== undefined) {
        printNode(node.node, `still waiting: ${waited}`)
        continue
      }
      const last = progressText(node)
      const known = node.heartbeat === undefined ? '' : heartbeatText(node.heartbeat)
      const clock = durationText(now - (node.startedAtMs ?? now))
      const running = `still running, ${clock}${known === '' ? '' : ` (${known})`}`
      printNode(node.node, last === '' ? running : `${running}; last: ${last}`)
    }
  }, 1000)
  heartbeat.unref()

  return { onEvent, close: async () => clearInterval(heartbeat) }
}
