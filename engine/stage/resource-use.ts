/** @file What one execution of a stage has used; a field is absent where it is not known. */
import { durationText, sizeText } from '../terminal/quantities.ts'

export interface ResourceUse {
  /** User and system time of the stage's process and all that it started. */
  readonly cpuSeconds?: number
  /** Time for which GPU devices were held, summed over them. */
  readonly gpuSeconds?: number
  readonly peakMemoryBytes?: number
}

/** "peak memory 1.2 GB, processor time 34.1 s" */
export function resourceUseText({ cpuSeconds, gpuSeconds, peakMemoryBytes }: ResourceUse): string {
  return [
    peakMemoryBytes === undefined ? undefined : `peak memory ${sizeText(peakMemoryBytes)}`,
    cpuSeconds === undefined ? undefined : `processor time ${durationText(cpuSeconds * 1000)}`,
    gpuSeconds === undefined ? undefined : `GPU time ${durationText(gpuSeconds * 1000)}`,
  ]
    .filter((part) => part !== undefined)
    .join(', ')
}
