/** @file What the processes of one group use, as Linux tells in `/proc`. */
import { readdirSync, readFileSync } from 'node:fs'

export interface GroupUse {
  /** User and system time of all threads, those of processes that have ended within the group included. */
  readonly cpuSeconds: number
  readonly residentBytes: number
}

/** Linux tells times to programs in these, whatever the kernel's own clock. */
const ticksPerSecond = 100

/** @returns undefined where nobody is left in the group, or the system does not tell */
export function groupUse(leader: number): GroupUse | undefined {
  const members = processes().flatMap((pid) => {
    const fields = statFields(pid)
    return Number(fields?.[statIndex.group]) === leader ? [{ pid, fields: fields! }] : []
  })
  if (members.length === 0) return undefined
  let ticks = 0
  let residentBytes = 0
  for (const { pid, fields } of members) {
    // A process's children count with it once it has waited for them.
    for (const field of ['user', 'system', 'childrenUser', 'childrenSystem'] as const)
      ticks += Number(fields[statIndex[field]])
    residentBytes += residentBytesOf(pid)
  }
  return { cpuSeconds: ticks / ticksPerSecond, residentBytes }
}

/** Of children of a process, and theirs, that have ended and were waited for. */
export function endedChildrenCpuSeconds(pid: number): number {
  const fields = statFields(String(pid))
  if (fields === undefined) return 0
  return (Number(fields[statIndex.childrenUser]) + Number(fields[statIndex.childrenSystem])) / ticksPerSecond
}

/** Places in `/proc/PID/stat`, counted from the state, which comes after the program's name. */
const statIndex = { group: 2, user: 11, system: 12, childrenUser: 13, childrenSystem: 14 } as const

function processes(): string[] {
  try {
    return readdirSync('/proc').filter((name) => /^\d+$/.test(name))
  } catch {
    return []
  }
}

function statFields(pid: string): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name may hold anything, spaces and brackets too.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  } catch {
    // It has ended meanwhile.
    return undefined
  }
}

function residentBytesOf(pid: string): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}
