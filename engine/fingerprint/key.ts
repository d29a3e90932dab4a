/** @file The cache key of a node: everything that its outputs depend on, and nothing else. */
import type { CacheKey, ContentHash, JsonObject } from '../identity.ts'
import { canonicalJson } from './canonical-json.ts'
import { sha256 } from './hash.ts'

/** Raised when the meaning of a field changes; old records are then never found again. */
export const KEY_SCHEMA = 1

/** Hash of one value, or of each value of a port that takes many, by label. */
export type InputHashes = Readonly<Record<string, ContentHash | Readonly<Record<string, ContentHash>>>>

export interface KeyPreimage {
  readonly schema: typeof KEY_SCHEMA
  readonly stage: string
  /** Digest of the stage's import closure and of the versions of the packages it names. */
  readonly code: string
  /** Resolved parameters, without the cosmetic ones. */
  readonly params: JsonObject
  /** Bound input ports only. */
  readonly inputs: InputHashes
  /** Port -> artifact type. */
  readonly outputs: Readonly<Record<string, string>>
  /** What `environmentDigests` gives for the variables that the stage declares. */
  readonly environment: Readonly<Record<string, string | null>>
  /** Source path -> content hash, kept so that a reason can name the changed file. Not part of the key. */
  readonly sources?: Readonly<Record<string, string>>
  /** `name@version` of what the code imports, kept for the same purpose. Not part of the key but through `code`. */
  readonly packages?: readonly string[]
}

export function cacheKey(preimage: KeyPreimage): CacheKey {
  // Field by field: nothing that rides along with the preimage may find its way into the key. In the order of canonical
  // JSON, which for an object of all of them would have to find that order for each node anew.
  const { code, environment, inputs, outputs, params, schema, stage } = preimage
  const fields = [
    `"code":${canonicalJson(code, '$.code')}`,
    `"environment":${canonicalJson(environment, '$.environment')}`,
    `"inputs":${canonicalJson(inputs, '$.inputs')}`,
    `"outputs":${canonicalJson(outputs, '$.outputs')}`,
    `"params":${canonicalJson(params, '$.params')}`,
    `"schema":${canonicalJson(schema, '$.schema')}`,
    `"stage":${canonicalJson(stage, '$.stage')}`,
  ]
  return sha256(`{${fields.join(',')}}`) as CacheKey
}

/**
 * Declared environment variables as a key may hold them: `null` where unset, else a digest of the value. A value may
 * be a secret, and preimages are kept in records and shown by `explain`.
 */
export function environmentDigests(
  names: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string | null>> {
  return Object.fromEntries(
    names.map((name) => {
      const value = environment[name]
      return [name, value === undefined ? null : sha256(`flow-environment 1\n${name}=${value}`)]
    }),
  )
}
