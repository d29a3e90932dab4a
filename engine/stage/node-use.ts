/** @file What one node uses in its worker process, which others may have used before it. */
import fs from 'node:fs'
import { sizeText } from '../terminal/quantities.ts'
import { peakMemoryBytes } from './peak-memory.ts'
import { endedChildrenCpuSeconds, groupUse } from './process-group.ts'
import { type ResourceUse, resourceUseText } from './resource-use.ts'

export class NodeUse {
  /** What earlier nodes have left in memory; 0 in a fresh process. */
  readonly #heldBytes: number
  /** What they have used. A fresh process has come into being for this node. */
  readonly #earlierCpuSeconds: number

  constructor(isFresh: boolean) {
    this.#heldBytes = isFresh ? 0 : process.memoryUsage.rss()
    this.#earlierCpuSeconds = isFresh ? 0 : cpuSeconds()
    if (!isFresh) forgetPeak()
  }

  read(): ResourceUse {
    const used = cpuSeconds() - this.#earlierCpuSeconds
    return { cpuSeconds: Number(used.toFixed(2)), peakMemoryBytes: peakMemoryBytes() }
  }

  describe(use: ResourceUse): string {
    const text = resourceUseText(use)
    return this.#heldBytes === 0 ? text : `${text}; ${sizeText(this.#heldBytes)} of memory held from before`
  }
}

/** The whole group is looked for only where there may be more than this process: that takes milliseconds. */
function cpuSeconds(): number {
  const group = hasChildren() ? groupUse(process.pid) : undefined
  if (group !== undefined) return group.cpuSeconds
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6 + endedChildrenCpuSeconds(process.pid)
}

function hasChildren(): boolean {
  try {
    const threads = fs.readdirSync('/proc/self/task')
    return threads.some((thread) => fs.readFileSync(`/proc/self/task/${thread}/children`, 'utf8') !== '')
  } catch {
    // A thread has ended meanwhile, or the system does not tell.
    return true
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
