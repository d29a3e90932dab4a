/**
 * @file The cache that Hugging Face's own tools keep, so that what they have fetched is used here and the reverse:
 *
 *     models--org--name/refs/main                        the commit that the branch stood at
 *     models--org--name/snapshots/<commit>/config.json   a link to
 *     models--org--name/blobs/<etag>                     the content
 */
import { readFileSync } from 'node:fs'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import type { FileSelection, Repository } from './repository.ts'

type Environment = Readonly<Record<string, string | undefined>>

/** By the same environment variables as Hugging Face's tools. */
export function cacheFolder(environment: Environment): string {
  const { HF_HUB_CACHE, HUGGINGFACE_HUB_CACHE, HF_HOME, XDG_CACHE_HOME } = environment
  const home = HF_HOME || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'huggingface')
  return HF_HUB_CACHE || HUGGINGFACE_HUB_CACHE || join(home, 'hub')
}

export interface CachedRepository {
  readonly folder: string
  blob(etag: string): string
  snapshot(commit: string): string
}

export function cachedRepository(cache: string, { name }: Repository): CachedRepository {
  const folder = join(cache, `models--${name.replaceAll('/', '--')}`)
  return {
    folder,
    blob: (etag) => join(folder, 'blobs', etag),
    snapshot: (commit) => join(folder, 'snapshots', commit),
  }
}

/** The repository's folder in the cache, if all that is needed is in it. A branch is taken as it stood when it was fetched. */
export function findSnapshot(
  cache: string,
  repository: Repository,
  selection: FileSelection,
): string | undefined {
  const cached = cachedRepository(cache, repository)
  const { revision } = repository
  const commit = /^[0-9a-f]{40}$/.test(revision) ? revision : readRef(cached, revision)
  if (commit === undefined) return undefined
  const folder = cached.snapshot(commit)
  return selection.isWhole(folder) ? folder : undefined
}

function readRef({ folder }: CachedRepository, revision: string): string | undefined {
  try {
    return readFileSync(join(folder, 'refs', revision), 'utf8').trim()
  } catch {
    return undefined
  }
}

export async function writeRef(
  { folder }: CachedRepository,
  revision: string,
  commit: string,
): Promise<void> {
  const file = join(folder, 'refs', revision)
  await mkdir(dirname(file), { recursive: true })
  await writeFile(`${file}.${process.pid}.partial`, commit)
  await rename(`${file}.${process.pid}.partial`, file)
}

/** Places a blob under its file's name in a snapshot. */
export async function linkIntoSnapshot(blob: string, place: string): Promise<void> {
  await mkdir(dirname(place), { recursive: true })
  const temporary = `${place}.${process.pid}.partial`
  await rm(temporary, { force: true })
  await symlink(relative(dirname(place), blob), temporary)
  await rename(temporary, place)
}
