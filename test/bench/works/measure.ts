/** @file What the programs of Flow's side of a comparison have in common: settings read, an outcome written. */
import { readFileSync } from 'node:fs'
import { peakMemoryBytes } from '../../../engine/stage/peak-memory.ts'
import type { Outcome } from '../compare/work.ts'

export function readSettings<Settings>(argv: readonly string[]): Settings {
  return JSON.parse(readFileSync(argv[0]!, 'utf8')) as Settings
}

/** The last line of output. The peak memory is this process's, where the figures do not say it. */
export function report({ figures, ...rest }: Outcome): number {
  const measured = { ...figures, [peakMemory]: figures[peakMemory] ?? peakMemoryBytes() / 1e9 }
  console.log(JSON.stringify({ figures: measured, ...rest } satisfies Outcome))
  return 0
}

export const peakMemory = 'peak memory, GB'

/** Seconds that `run` takes. */
export function timed(run: () => void): number {
  const startMs = performance.now()
  run()
  return (performance.now() - startMs) / 1000
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
