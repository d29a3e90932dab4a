/**
 * @file A place outside the project where several projects or machines keep results: a folder, or a bucket that speaks S3.
 * Under it the same names as in a store: `actions/ab/<key>.json` and `blobs/ab/<hash>`. It is not trusted: whatever is
 * read from it is checked by its reader (`shared-results.ts`).
 */
import { isAbsolute } from 'node:path'
import { StageFailure } from '../../stage/failure.ts'

export interface SharedCache {
  /** As messages name it; holds no secret. */
  readonly name: string
  /** `undefined` where there is nothing under this name. Rejects where the place cannot be reached or read. */
  read(name: string): Promise<AsyncIterable<Uint8Array> | undefined>
  has(name: string): Promise<boolean>
  /** Whole or not at all, in place of what may be there. */
  write(name: string, content: SharedContent): Promise<void>
}

export interface SharedContent {
  /** A file that does not change meanwhile. */
  readonly file: string
  readonly sha256: string
}

/**
 * `place`: an absolute path, or `s3://BUCKET/PREFIX`; a folder that is to be written is made where only it is missing.
 * Throws a `StageFailure` where the place cannot be used as it is named.
 */
export async function openSharedCache(
  place: string,
  { write, environment }: { readonly write: boolean; readonly environment: NodeJS.ProcessEnv },
): Promise<SharedCache> {
  // Loaded when needed: most projects have none.
  if (place.startsWith('s3://')) return (await import('./bucket.ts')).openBucket(place, environment)
  if (!isAbsolute(place)) {
    throw new StageFailure({
      code: 'shared-cache',
      message: `${place} is neither a folder nor a bucket`,
      hint: 'a path, or s3://BUCKET/PREFIX',
    })
  }
  const { SharedFolder } = await import('./shared-folder.ts')
  const folder = new SharedFolder(place)
  if (write) await folder.make()
  return folder
}
