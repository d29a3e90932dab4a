/** @file What is kept of a finished node: the record that makes its key done. */
import type { KeyPreimage } from '../fingerprint/key.ts'
import type { ValueKind } from '../fingerprint/value.ts'
import type { CacheKey, ContentHash } from '../identity.ts'

export const RECORD_SCHEMA = 1

export interface RecordedOutput {
  /** Artifact type. */
  readonly type: string
  readonly kind: ValueKind
  readonly hash: ContentHash
  /** Of a folder: the sum over its files. */
  readonly sizeBytes: number
}

export interface ActionRecord {
  readonly schema: typeof RECORD_SCHEMA
  readonly key: CacheKey
  readonly preimage: KeyPreimage
  readonly outputs: Readonly<Record<string, RecordedOutput>>
  /** 1 for the first result of this key, one more each time that it was made anew. */
  readonly generation: number
  /** ISO 8601, when the stage began. */
  readonly startedAt: string
  /** ISO 8601, when the record was written. */
  readonly createdAt: string
  readonly durationMs: number
  /** Where it was computed, if the stage told. */
  readonly device?: string
}
