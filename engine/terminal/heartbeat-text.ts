/** @file What is known of a running node that says nothing: "1.9 cores busy, 812 MB", or that it has stalled. */
import { durationText, sizeText } from './quantities.ts'

export function heartbeatText(beat: {
  readonly cores?: number
  readonly memoryBytes?: number
  readonly stalledMs?: number
}): string {
  const { cores, memoryBytes, stalledMs } = beat
  if (stalledMs !== undefined)
    return `stalled: no progress, output or processor time for ${durationText(stalledMs)}`
  return [
    cores === undefined ? undefined : `${cores.toFixed(1)} cores busy`,
    memoryBytes === undefined ? undefined : sizeText(memoryBytes),
  ]
    .filter((part) => part !== undefined)
    .join(', ')
}
