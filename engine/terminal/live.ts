/**
 * @file The view for a person at a terminal. Ink takes a moment to load, so it is loaded when the first node starts
 * to run or waits for another run, or when `flow watch` has something to say; a run that has nothing to do never
 * loads it.
 */
import type { FlowEvent } from '../events/event.ts'
import { isWatchEvent, type WatchEvent } from '../events/watch-event.ts'
import type { RunId } from '../identity.ts'
import type { RunDisplay } from './display.ts'
import { GrowingView } from './growing-view.ts'
import type { Screen } from './screen.tsx'
import { summaryLines } from './summary.ts'
import type { RunView } from './view-model.ts'
import { changeText, watchingText } from './watch-text.ts'

/** What has been said and stays, above the view of the run; latest last. */
export interface SaidLine {
  readonly text: string
  readonly warning?: true
}

/** The view of the run as it changes. */
export interface ViewSource {
  readonly view: () => RunView
  readonly said: () => readonly SaidLine[]
  /** A line below the run. */
  readonly below?: () => string | undefined
  /** Returns how to unsubscribe. */
  readonly subscribe: (listener: () => void) => () => void
}

export function liveDisplay(write: (text: string) => void): RunDisplay {
  const growing = new GrowingView()
  /** How many of the view's warnings have been said. */
  let warned = 0
  let said: readonly SaidLine[] = []
  let below: string | undefined
  /** The run whose summary was said last. */
  let toldOf: RunId | undefined
  let screen: Promise<Screen> | undefined
  const listeners = new Set<() => void>()
  const source: ViewSource = {
    view: () => growing.view,
    said: () => said,
    below: () => below,
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  const say = (...lines: readonly string[]) => {
    said = [...said, ...lines.map((text) => ({ text }))]
  }
  const onRunEvent = (event: FlowEvent) => {
    growing.take(event, Date.now())
    // Brings no warning, and the view is not to be made for each of them.
    if (event.type === 'node-finished') return
    const added = growing.view.warnings
      .slice(warned)
      .map((text) => ({ text: `warning: ${text}`, warning: true }) as const)
    warned += added.length
    if (added.length > 0) said = [...said, ...added]
    if (event.type === 'run-started') below = undefined
  }
  const onWatchEvent = (event: WatchEvent) => {
    switch (event.type) {
      case 'files-changed': {
        // The run before makes room for the next; what came of it stays.
        const { view } = growing
        const summary = view.runId === toldOf ? [] : summaryLines(view)
        say(...(view.finished?.ok === true ? summary.slice(0, 1) : summary), changeText(event))
        toldOf = view.runId
        below = undefined
        return
      }
      case 'invalid':
        return say(event.text)
      case 'watching':
        below = watchingText(event.files)
        return
      default:
        return event satisfies never
    }
  }
  return {
    onEvent: (event) => {
      const watching = isWatchEvent(event)
      if (watching) onWatchEvent(event)
      else onRunEvent(event)
      if (watching || event.type === 'node-started' || event.type === 'node-waiting')
        screen ??= import('./screen.tsx').then(({ openScreen }) => openScreen(source))
      for (const listener of listeners) listener()
    },
    close: async () => {
      below = undefined
      for (const listener of listeners) listener()
      if (screen !== undefined) await (await screen).close()
      else for (const { text } of said) write(`${text}\n`)
      const { view } = growing
      const stacks = view.nodes.flatMap((node) => (node.stack === undefined ? [] : [node.stack]))
      for (const line of [...stacks, ...summaryLines(view)]) write(`${line}\n`)
    },
  }
}
