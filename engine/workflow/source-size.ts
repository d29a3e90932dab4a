/** @file How large a file of a workflow may be. */

export const MAX_SOURCE_BYTES = 1024 * 1024
