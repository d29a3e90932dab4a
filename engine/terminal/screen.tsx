/** @file The live view on the terminal itself. Imported only when there is something to show. */
import { render } from 'ink'
import { RunScreen } from './components/run-screen.tsx'
import type { ViewSource } from './live.ts'

export interface Screen {
  /** Draws the last state and gives the terminal back. */
  close(): Promise<void>
}

export function openScreen(source: ViewSource): Screen {
  // Ctrl-C is the command's: the first one lets stages write a checkpoint.
  const ink = render(<RunScreen source={source} />, { exitOnCtrlC: false })
  return {
    close: async () => {
      ink.unmount()
      await ink.waitUntilExit()
    },
  }
}
