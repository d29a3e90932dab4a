/** @file Exit codes of `flow`. Scripts rely on them. */
export const exitCode = {
  /** Done, or nothing to do. */
  done: 0,
  /** A node failed, or the machine: a full disk, a missing permission. */
  failed: 1,
  /** The workflow or the command line is wrong: nothing ran. */
  invalid: 2,
  /** Interrupted by Ctrl-C or SIGTERM. */
  interrupted: 130,
} as const
