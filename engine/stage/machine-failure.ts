/**
 * @file What the machine refuses (a full disk, a missing permission, a broken disk) as an expected failure: it is no
 * bug of Flow or of a stage, so it is told without a trace.
 */
import type { StageFailureDetails } from './failure.ts'

interface Refusal {
  readonly code: string
  readonly what: string
  readonly hint: string
  readonly retryable?: true
}

const diskFull: Refusal = {
  code: 'disk-full',
  what: 'the disk is full',
  hint: 'free some space and run again; what is done is kept',
  retryable: true,
}
const noPermission: Refusal = {
  code: 'permission-denied',
  what: 'the system does not permit it',
  hint: 'check who owns the file and its folder, and their permissions',
}
const tooManyFiles: Refusal = {
  code: 'too-many-open-files',
  what: 'too many files are open',
  hint: 'raise the limit (`ulimit -n`) or lower --jobs, and run again; what is done is kept',
  retryable: true,
}

/** By the name of the system's error. What is not here (ENOENT, ENOTDIR, ...) is somebody's mistake, and keeps its trace. */
const refusals: Readonly<Record<string, Refusal>> = {
  ENOSPC: diskFull,
  EDQUOT: { ...diskFull, what: 'the disk quota is used up' },
  EROFS: {
    code: 'read-only-disk',
    what: 'the disk is mounted read-only',
    hint: 'run where the project can be written',
  },
  EACCES: noPermission,
  EPERM: noPermission,
  EMFILE: tooManyFiles,
  ENFILE: tooManyFiles,
  EIO: {
    code: 'disk-error',
    what: 'the disk does not read or write as it should',
    hint: "look at the system's log, then run again; what is done is kept",
  },
}

/** An error that a call of the system has come back with, whatever it is. */
export function isSystemError(error: unknown): error is NodeJS.ErrnoException & { readonly code: string } {
  return error instanceof Error && 'code' in error && 'syscall' in error
}

/** For work that nothing depends on. */
export function forgiveSystemError(error: unknown): void {
  if (!isSystemError(error)) throw error
}

/** `undefined` where the error is none of the machine's. */
export function machineFailure(error: unknown): StageFailureDetails | undefined {
  if (!isSystemError(error) || !Object.hasOwn(refusals, error.code)) return undefined
  const { what, ...refusal } = refusals[error.code]!
  return { ...refusal, message: `${what}: ${error.message}` }
}
