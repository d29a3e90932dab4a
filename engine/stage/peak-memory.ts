/** @file The most memory that this process has held at a time. */
import fs from 'node:fs'

/** Linux counts in `getrusage` what a process had before it became this program, and in VmHWM its own alone. */
export function peakMemoryBytes(): number {
  try {
    const status = fs.readFileSync('/proc/self/status', 'utf8')
    return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024
  } catch {
    return process.resourceUsage().maxRSS * 1024
  }
}
