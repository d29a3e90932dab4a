/**
 * @file What an archive of results holds: a plain tar of the very files of the store.
 *
 *     flow-export.json         {"schema":1,"results":[{"key","node"}]}
 *     blobs/ab/<hash>
 *     logs/ab/<key>.log
 *     actions/ab/<key>.json    as in the store: the record with its seal
 *
 * In this order, each part sorted, with nothing of the machine in the headers: equal results give equal bytes.
 */
import type { CacheKey, ContentHash } from '../identity.ts'

export const MANIFEST = 'flow-export.json'

export interface ArchiveManifest {
  readonly schema: 1
  /** By key. */
  readonly results: readonly { readonly key: CacheKey; readonly node?: string }[]
}

export type ArchiveEntry =
  | { readonly kind: 'manifest' }
  | { readonly kind: 'blob'; readonly hash: ContentHash }
  | { readonly kind: 'log' | 'record'; readonly key: CacheKey }

const NAME = /^(blobs|logs|actions)\/([0-9a-f]{2})\/([0-9a-f]{64})(\.log|\.json)?$/
const SUFFIXES = { blobs: undefined, logs: '.log', actions: '.json' } as const

/** `undefined` for any other name, such as one that leads out of the archive. */
export function parseEntryName(name: string): ArchiveEntry | undefined {
  if (name === MANIFEST) return { kind: 'manifest' }
  const [, folder, fan, digest, suffix] = NAME.exec(name) ?? []
  if (folder === undefined || digest === undefined || fan === undefined || !digest.startsWith(fan)) {
    return undefined
  }
  if (suffix !== SUFFIXES[folder as keyof typeof SUFFIXES]) return undefined
  if (folder === 'blobs') return { kind: 'blob', hash: digest as ContentHash }
  return { kind: folder === 'logs' ? 'log' : 'record', key: digest as CacheKey }
}
