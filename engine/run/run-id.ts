/** @file Names of runs: sorted by name they are sorted by time. */
import { randomBytes } from 'node:crypto'
import type { RunId } from '../identity.ts'

/** `20260131-174502-123-9f3a` (UTC, milliseconds, random) */
export function newRunId(now: Date): RunId {
  const digits = now.toISOString().replace(/\D/g, '')
  const random = randomBytes(2).toString('hex')
  return `${digits.slice(0, 8)}-${digits.slice(8, 14)}-${digits.slice(14, 17)}-${random}` as RunId
}
