/** @file What is left of an attempt that came to nothing. */
import { existsSync } from 'node:fs'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import type { CacheKey } from '../../engine/identity.ts'
import { commit, committed, openStore, preimageOf, temporaryFolder, writeTree } from './temporary-store.ts'

const keyOf = (seed: number): CacheKey => cacheKey(preimageOf(seed))

describe('rule 13: failures and checkpoints', () => {
  test('a failure keeps log and partial outputs, out of reach of reuse', async () => {
    const { store } = await committed()
    const attempt = await store.begin(keyOf(2))
    await writeFile(attempt.outputPath('log'), 'partial')
    await writeFile(attempt.log, 'it went wrong\n')
    const kept = await store.abandon(attempt, { code: 'no-optimizer-step', message: 'no step was made' })
    expect(await readFile(kept.log, 'utf8')).toBe('it went wrong\n')
    expect(await readFile(join(kept.folder, 'output-log/value'), 'utf8')).toBe('partial')
    expect(JSON.parse(await readFile(join(kept.folder, 'failure.json'), 'utf8'))).toMatchObject({
      key: keyOf(2),
      code: 'no-optimizer-step',
    })
    expect((await store.lookup(keyOf(2))).record).toBeUndefined()
  })

  test('only the latest failures are kept', async () => {
    const store = await openStore(temporaryFolder())
    for (let index = 0; index < 25; index++) {
      await store.abandon(await store.begin(keyOf(index)), { code: 'x', message: 'x' })
    }
    expect(await readdir(store.layout.failures)).toHaveLength(20)
  })

  test('a checkpoint survives failure and the end of the store, not the commit', async () => {
    const project = temporaryFolder()
    const store = await openStore(project)
    const attempt = await store.begin(keyOf(1))
    await writeTree(attempt.checkpoint, { 'step-10': 'state' })
    await store.abandon(attempt, { code: 'x', message: 'x' })
    await store.close()

    const next = await openStore(project)
    const resumed = await next.begin(keyOf(1))
    expect(await readFile(join(resumed.checkpoint, 'step-10'), 'utf8')).toBe('state')
    await next.discard(resumed)
    await commit(next, 1)
    expect(await readdir(next.layout.checkpoints)).toEqual([])
  })

  test('rule 12: a refresh does not resume from the result that it replaces', async () => {
    const { store } = await committed()
    // As a crash between the record and the removal of the checkpoint would leave it.
    await writeTree(store.layout.checkpoint(keyOf(1)), { '1/last-step': 'done' })
    const attempt = await store.begin(keyOf(1))
    expect(existsSync(attempt.checkpoint)).toBe(false)
  })

  test('rule 16: one attempt at a key at a time; the next goes on from its checkpoint', async () => {
    const project = temporaryFolder()
    const [one, two] = [await openStore(project), await openStore(project)]
    const first = await one.begin(keyOf(1))
    await writeTree(first.checkpoint, { 'step-10': 'state' })
    expect(await two.tryBegin(keyOf(1))).toBeUndefined()
    expect(await one.tryBegin(keyOf(1))).toBeUndefined()
    expect([...(await two.liveKeys())]).toEqual([keyOf(1)])
    const next = two.begin(keyOf(1))
    await one.discard(first)
    expect(await readFile(join((await next).checkpoint, 'step-10'), 'utf8')).toBe('state')
  })
})
