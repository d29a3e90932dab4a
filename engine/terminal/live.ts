/**
 * @file The view for a person at a terminal. Ink takes a moment to load, so it is loaded when the first node starts
 * to run or waits for another run; a run that has nothing to do never loads it.
 */
import type { RunDisplay } from './display.ts'
import type { Screen } from './screen.tsx'
import { summaryLines } from './summary.ts'
import { emptyRunView, type RunView, reduceRunView } from './view-model.ts'

/** The view of the run as it changes. */
export interface ViewSource {
  readonly view: () => RunView
  /** Returns how to unsubscribe. */
  readonly subscribe: (listener: () => void) => () => void
}

export function liveDisplay(write: (text: string) => void): RunDisplay {
  let view = emptyRunView
  let screen: Promise<Screen> | undefined
  const listeners = new Set<() => void>()
  const source: ViewSource = {
    view: () => view,
    subscribe: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
  return {
    onEvent: (event) => {
      view = reduceRunView(view, event, Date.now())
      if (event.type === 'node-started' || event.type === 'node-waiting')
        screen ??= import('./screen.tsx').then(({ openScreen }) => openScreen(source))
      for (const listener of listeners) listener()
    },
    close: async () => {
      if (screen !== undefined) await (await screen).close()
      else for (const warning of view.warnings) write(`warning: ${warning}\n`)
      const stacks = view.nodes.flatMap((node) => (node.stack === undefined ? [] : [node.stack]))
      for (const line of [...stacks, ...summaryLines(view)]) write(`${line}\n`)
    },
  }
}
