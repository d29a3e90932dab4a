/** @file Which results a run made or reused: by this a result is recent, or has long been of no use. */
import type { CacheKey, RunId } from '../identity.ts'

export interface RunUse {
  readonly runId: RunId
  /** Workflow file, relative to the project. */
  readonly file: string
  /** Its process lives, and it has not ended. */
  readonly running: boolean
  /** When the run ended, or began where it has no end. Milliseconds since the epoch. */
  readonly usedMs: number
  /** Node -> key, of nodes whose key was known. */
  readonly keys: ReadonlyMap<string, CacheKey>
}

/** Key -> when a run last used it. */
export function lastUses(uses: readonly RunUse[]): Map<CacheKey, number> {
  const last = new Map<CacheKey, number>()
  for (const { usedMs, keys } of uses) {
    for (const key of keys.values()) last.set(key, Math.max(usedMs, last.get(key) ?? 0))
  }
  return last
}
