/** @file The view that fits where the output goes. */
import type { RunDisplay } from '../terminal/display.ts'
import { jsonLinesDisplay } from '../terminal/json-lines.ts'
import { liveDisplay } from '../terminal/live.ts'
import { plainDisplay } from '../terminal/plain.ts'
import type { OptionValues } from './command.ts'
import { isOutputTerminal, writeOutput } from './output.ts'

export function openDisplay(options: OptionValues): RunDisplay {
  if (options.has('json')) return jsonLinesDisplay(writeOutput)
  if (options.has('quiet')) return plainDisplay({ write: writeOutput, quiet: true })
  const { TERM: terminal, CI: automation } = process.env
  // A log of a build machine may pass for a terminal; nobody sees it being redrawn.
  if (!isOutputTerminal() || terminal === 'dumb' || automation) return plainDisplay({ write: writeOutput })
  return liveDisplay(writeOutput)
}
