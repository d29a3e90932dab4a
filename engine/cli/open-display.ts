/** @file The view that fits where the output goes. */
import type { RunDisplay } from '../terminal/display.ts'
import { jsonLinesDisplay } from '../terminal/json-lines.ts'
import { liveDisplay } from '../terminal/live.ts'
import { plainDisplay } from '../terminal/plain.ts'
import type { OptionValues } from './command.ts'

export function openDisplay(options: OptionValues): RunDisplay {
  const write = (text: string) => process.stdout.write(text)
  if (options.has('json')) return jsonLinesDisplay(write)
  if (options.has('quiet')) return plainDisplay({ write, quiet: true })
  const { TERM: terminal, CI: automation } = process.env
  // A log of a build machine may pass for a terminal; nobody sees it being redrawn.
  if (process.stdout.isTTY !== true || terminal === 'dumb' || automation) return plainDisplay({ write })
  return liveDisplay(write)
}
