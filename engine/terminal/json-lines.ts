/** @file `--json`: one event a line, as it is. */
import type { RunDisplay } from './display.ts'

export function jsonLinesDisplay(write: (text: string) => void): RunDisplay {
  return {
    onEvent: (event) => write(`${JSON.stringify(event)}\n`),
    close: async () => {},
  }
}
