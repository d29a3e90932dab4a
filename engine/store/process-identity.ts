/** @file Which process this is, and whether another one of this machine still lives. */
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** A pid alone is wrong across containers and reboots. `null` where the system does not tell. */
export interface ProcessIdentity {
  readonly host: string
  readonly bootId: string | null
  readonly pidNamespace: string | null
  readonly pid: number
  /** In clock ticks since boot: tells a process from a later one with the same pid. */
  readonly startTicks: string | null
}

/** `unknown`: it belongs to another machine or container, and cannot be asked. */
export type ProcessState = 'alive' | 'dead' | 'unknown'

export function stateOfProcess(other: ProcessIdentity): ProcessState {
  const me = thisProcess()
  const sameBoot = other.bootId === me.bootId
  const sameHost = other.host === me.host
  const pidsComparable = me.bootId === null ? sameHost : sameBoot && other.pidNamespace === me.pidNamespace
  if (pidsComparable) return isProcessAlive(other) ? 'alive' : 'dead'
  return sameHost && !sameBoot ? 'dead' : 'unknown'
}

let identity: ProcessIdentity | undefined

export function thisProcess(): ProcessIdentity {
  identity ??= {
    host: hostname(),
    bootId: readOrNull(() => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()),
    pidNamespace: readOrNull(() => readlinkSync('/proc/self/ns/pid')),
    pid: process.pid,
    startTicks: readOrNull(() => processStat(process.pid).startTicks),
  }
  return identity
}

function isProcessAlive({ pid, startTicks }: ProcessIdentity): boolean {
  if (startTicks !== null) {
    const stat = readOrNull(() => processStat(pid))
    // A zombie has ended; only its parent has not asked yet.
    return stat !== null && stat.startTicks === startTicks && stat.state !== 'Z' && stat.state !== 'X'
  }
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

function processStat(pid: number): { readonly state: string; readonly startTicks: string } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The command's name stands in brackets and may hold spaces and brackets itself. Field 3 follows it.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { state: fields[0]!, startTicks: fields[19]! }
}

function readOrNull<T>(read: () => T): T | null {
  try {
    return read()
  } catch {
    return null
  }
}
