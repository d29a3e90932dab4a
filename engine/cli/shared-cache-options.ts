/** @file The options and variables that name a shared cache. */
import { resolve } from 'node:path'
import { StageFailure } from '../stage/failure.ts'
import type { SharedResults } from '../store/shared/shared-results.ts'
import type { Invocation, OptionSpecs } from './command.ts'

const PLACE = 'FLOW_SHARED_CACHE'
const WRITE = 'FLOW_SHARED_CACHE_WRITE'
const SIGNING_KEY = 'FLOW_SHARED_CACHE_KEY'

export const sharedCacheOptions: OptionSpecs = {
  'shared-cache': {
    type: 'string',
    value: 'PLACE',
    description: `Reuse results from there, too: a folder, or s3://BUCKET/PREFIX (or ${PLACE}).`,
  },
}

export const sharedCacheWriteOptions: OptionSpecs = {
  'shared-cache-write': {
    type: 'boolean',
    description: `Write new results there, too (or ${WRITE}=1).`,
  },
}

/** `undefined` where none is named. Throws a `StageFailure` where it cannot be used as it is named. */
export async function sharedResults(
  { project, options }: Invocation,
  use: 'look' | 'take',
): Promise<SharedResults | undefined> {
  // Stages inherit the environment; with this key one could sign what it likes.
  const { [SIGNING_KEY]: signingKey, [PLACE]: named, [WRITE]: wanted } = process.env
  delete process.env[SIGNING_KEY]
  const place = options.text('shared-cache') ?? named ?? ''
  const write = use === 'take' && (options.has('shared-cache-write') || wanted === '1')
  if (place === '') {
    if (!options.has('shared-cache-write')) return undefined
    throw new StageFailure({
      code: 'shared-cache',
      message: '--shared-cache-write needs to know where',
      hint: `--shared-cache PLACE, or the variable ${PLACE}`,
    })
  }
  // Loaded when needed: most projects have none.
  const [{ openSharedCache }, { SharedResults }] = await Promise.all([
    import('../store/shared/shared-cache.ts'),
    import('../store/shared/shared-results.ts'),
  ])
  const isUrl = /^[a-z0-9]+:\/\//.test(place)
  const cache = await openSharedCache(isUrl ? place : resolve(project, place), {
    write,
    environment: process.env,
  })
  return new SharedResults({ cache, use, write, signingKey: signingKey === '' ? undefined : signingKey })
}
