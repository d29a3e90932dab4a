/** @file What stages read of the store, and what becomes of it when they write there. */
import { statSync } from 'node:fs'
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../engine/fingerprint/hash.ts'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import type { CacheKey, ContentHash } from '../../engine/identity.ts'
import type { Store } from '../../engine/store/store.ts'
import { damages } from './damages.ts'
import { commit, committed, openStore, preimageOf, temporaryFolder, writeTree } from './temporary-store.ts'

const keyOf = (seed: number): CacheKey => cacheKey(preimageOf(seed))

describe('rule 10: views for stages to read', () => {
  test('a view shares the blobs’ bytes, keeps exec bits and empty folders', async () => {
    const store = await openStore(temporaryFolder())
    const attempt = await store.begin(keyOf(1))
    const root = attempt.outputPath('adapter')
    await writeTree(root, { 'a/run.sh': '#!/bin/sh', 'a/model': 'bytes' })
    await chmod(join(root, 'a/run.sh'), 0o755)
    await mkdir(join(root, 'empty'))
    const { outputs } = await store.commit(attempt, {
      preimage: preimageOf(1),
      outputs: { adapter: { type: 'adapter', kind: 'folder' } },
      startedAt: new Date(0).toISOString(),
      durationMs: 1,
    })
    const { hash } = outputs.adapter!
    const view = await store.valuePath(hash, 'folder')
    expect(await store.hashValue(view, 'folder')).toEqual({ hash, sizeBytes: 14 })
    const blob = store.layout.blob(sha256('bytes') as ContentHash)
    expect(statSync(join(view, 'a/model')).ino).toBe(statSync(blob).ino)
    expect(statSync(join(view, 'a/run.sh')).mode & 0o777).toBe(0o555)
    expect(statSync(blob).mode & 0o777).toBe(0o444)
    expect(await store.recheck(hash, 'folder')).toEqual({ whole: true })
  })

  test('a view that two ask for at once is not taken from under the one that was first', async () => {
    const { project, store, record } = await committed()
    const other = await openStore(project)
    const { hash } = record.outputs.adapter!
    const read = async (by: Store) =>
      (await readdir(await by.valuePath(hash, 'folder'), { recursive: true })).sort()
    const whole = await read(store)
    // The other comes a little later each time, so that it meets the first one at each of its steps.
    for (let turns = 0; turns < 120; turns++) {
      await rm(store.layout.view(hash), { recursive: true })
      const later = async () => {
        for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
        return await read(other)
      }
      expect(await Promise.all([read(store), later()])).toEqual([whole, whole])
    }
  })

  test('a stage that writes through its input is found out, and the damage does not stay', async () => {
    const { store, record } = await committed()
    const { hash } = record.outputs.adapter!
    const view = await store.valuePath(hash, 'folder')
    await damages['a flipped bit, size and mtime kept']!(join(view, 'adapter_config.json'))
    expect(await store.recheck(hash, 'folder')).toEqual({
      whole: false,
      reason: 'adapter_config.json is damaged',
    })
    expect(await store.lookup(keyOf(1))).toMatchObject({ damaged: true })
    await commit(store, 1)
    expect(await store.hashValue(await store.valuePath(hash, 'folder'), 'folder')).toMatchObject({ hash })
  })

  test.each<[string, string, (view: string) => Promise<unknown>]>([
    ['adds a file', 'extra was added', (view) => writeFile(join(view, 'extra'), '')],
    ['deletes a file', 'adapter_config.json is gone', (view) => rm(join(view, 'adapter_config.json'))],
    [
      'replaces a file',
      'adapter_config.json was changed',
      async (view) => {
        await rm(join(view, 'adapter_config.json'))
        await writeFile(join(view, 'adapter_config.json'), '{"r":9}')
      },
    ],
    ['deletes everything', 'the view does not exist', (view) => rm(view, { recursive: true })],
  ])('a stage that %s in its input is found out, and the view is rebuilt', async (_what, reason, change) => {
    const { store, record } = await committed()
    const { hash } = record.outputs.adapter!
    await change(await store.valuePath(hash, 'folder'))
    expect(await store.recheck(hash, 'folder')).toEqual({ whole: false, reason })
    expect((await store.lookup(keyOf(1))).record).toBeDefined()
    expect(await store.hashValue(await store.valuePath(hash, 'folder'), 'folder')).toMatchObject({ hash })
    expect(await store.recheck(hash, 'folder')).toEqual({ whole: true })
  })
})
