/** @file The most memory that this process has held at a time. */
import fs from 'node:fs'
import { sizeText } from '../terminal/quantities.ts'

/** Linux counts in `getrusage` what a process had before it became this program, and in VmHWM its own alone. */
export function peakMemoryBytes(): number {
  try {
    const status = fs.readFileSync('/proc/self/status', 'utf8')
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024
  } catch {
    return process.resourceUsage().maxRSS * 1024
  }
}

/** The peak of one node in a process that others may have used before it. */
export class NodePeak {
  /** What those have left; 0 in a fresh process. */
  readonly #heldBytes: number

  constructor(isFresh: boolean) {
    this.#heldBytes = isFresh ? 0 : process.memoryUsage.rss()
    if (!isFresh) forgetPeak()
  }

  describe(): string {
    const peak = `peak memory ${sizeText(peakMemoryBytes())}`
    return this.#heldBytes === 0 ? peak : `${peak}, ${sizeText(this.#heldBytes)} of it held from before`
  }
}

/** From here on Linux counts anew. Elsewhere the peak stays that of the process. */
function forgetPeak(): void {
  try {
    fs.writeFileSync('/proc/self/clear_refs', '5')
  } catch {
    // Some containers do not permit it.
  }
}
