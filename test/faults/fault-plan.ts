/** @file What `inject.js` is told: which calls to list, and which of them to attack, and how. */
import { fileURLToPath, pathToFileURL } from 'node:url'

const injector = pathToFileURL(fileURLToPath(new URL('inject.js', import.meta.url))).href

/** Of the system: the call fails before it has done anything. */
export const refusals = ['ENOSPC', 'EIO', 'EMFILE', 'EACCES'] as const
export type FaultMode =
  | (typeof refusals)[number]
  | 'kill-before'
  | 'kill-after'
  /** Half of the bytes are written, then the process dies, or the disk is full. */
  | 'torn-kill'
  | 'torn-ENOSPC'
  /** Half of the bytes are written, and the call says so. */
  | 'short'

/** A call of a process to the file system, below the project. */
export interface FileCall {
  readonly process: 'engine' | 'worker'
  /** `open`, `write`, `rename`, ... whatever its kind (synchronous, promise, file handle). */
  readonly name: string
  readonly effect: 'create' | 'write' | 'change' | 'read'
  /** `project`, or the folder of `.flow/`. */
  readonly place: string
  /** The how manieth of its process with this name, effect and place, from 0. */
  readonly nth: number
  /** Relative to the project. */
  readonly path: string
}

export interface FaultPlan {
  /** Absolute. */
  readonly project: string
  /** Where to list the calls, one as JSON a line. */
  readonly record?: string
  readonly attack?: {
    readonly call: FileCall
    readonly mode: FaultMode
    /** A file that is written when the fault comes, and says which call it met. */
    readonly marker: string
  }
  /** From this call on, whatever takes space fails, in every process. */
  readonly full?: { readonly from: FileCall; readonly marker: string }
}

/** The environment in which a process and all that it starts meet the faults. */
export function faultEnvironment(plan: FaultPlan): Record<string, string> {
  return { FLOW_FAULTS: JSON.stringify(plan), NODE_OPTIONS: `--import ${injector}` }
}

/** All faults that make sense at a call. */
export function modesOf({ name, effect }: FileCall): FaultMode[] {
  switch (effect) {
    case 'read':
      // Dying at one is no other than dying after the last call that changed something.
      return name === 'open' || name === 'readFile' || name === 'readdir'
        ? ['EIO', 'EMFILE', 'EACCES']
        : ['EIO']
    case 'create':
      return [...refusals, 'kill-before', 'kill-after']
    case 'change':
      return ['EIO', 'EACCES', 'ENOSPC', 'kill-before', 'kill-after']
    case 'write': {
      const torn: FaultMode[] = ['torn-kill', 'torn-ENOSPC', ...(name === 'write' ? ['short' as const] : [])]
      return [...refusals, 'kill-before', 'kill-after', ...torn]
    }
    default:
      return effect satisfies never
  }
}
