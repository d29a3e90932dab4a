/** @file How a stage writes its `metrics`. */
import { writeFileSync } from 'node:fs'

export function writeMetrics(file: string, stage: string, values: Readonly<Record<string, number>>): void {
  writeFileSync(file, `${JSON.stringify({ stage, values }, null, 2)}\n`)
}
