/** @file What is kept of a finished node: the record that makes its key done. */
import { cacheKey, type KeyPreimage } from '../fingerprint/key.ts'
import type { ValueKind } from '../fingerprint/value.ts'
import type { CacheKey, ContentHash } from '../identity.ts'
import type { ResourceUse } from '../stage/resource-use.ts'

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
  readonly resourceUse?: ResourceUse
  /** Where it was computed, if the stage told. */
  readonly device?: string
}

/**
 * What was read from a file as the record of `key`; `undefined` where it is not one: a field is missing or of another
 * type, or the key is not that of the preimage.
 */
export function parseRecord(value: unknown, key: CacheKey): ActionRecord | undefined {
  if (!isObject(value)) return undefined
  const { schema, preimage, outputs, generation, startedAt, createdAt, durationMs, device } = value
  const whole =
    schema === RECORD_SCHEMA &&
    value.key === key &&
    isObject(preimage) &&
    isObject(outputs) &&
    Object.values(outputs).every(isRecordedOutput) &&
    isCount(generation) &&
    typeof startedAt === 'string' &&
    typeof createdAt === 'string' &&
    typeof durationMs === 'number' &&
    (device === undefined || typeof device === 'string')
  if (!whole) return undefined
  const record = value as unknown as ActionRecord
  return keyOf(record.preimage) === key && hasPortsOf(record) ? record : undefined
}

function keyOf(preimage: KeyPreimage): CacheKey | undefined {
  try {
    return cacheKey(preimage)
  } catch {
    // A field of the preimage is missing.
    return undefined
  }
}

/** The ports that the key asked for, of the types that it asked for. */
function hasPortsOf({ preimage, outputs }: ActionRecord): boolean {
  const ports = Object.keys(outputs)
  return (
    ports.length === Object.keys(preimage.outputs).length &&
    ports.every(
      (port) => Object.hasOwn(preimage.outputs, port) && preimage.outputs[port] === outputs[port]?.type,
    )
  )
}

function isRecordedOutput(value: unknown): boolean {
  return (
    isObject(value) &&
    typeof value.type === 'string' &&
    (value.kind === 'file' || value.kind === 'folder') &&
    typeof value.hash === 'string' &&
    /^[0-9a-f]{64}$/.test(value.hash) &&
    isCount(value.sizeBytes)
  )
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
