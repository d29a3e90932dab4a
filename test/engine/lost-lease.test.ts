/** @file Who was suspended, lost its lease and wakes up does no harm to who took over. */
import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import type { CacheKey } from '../../engine/identity.ts'
import { Actions } from '../../engine/store/actions.ts'
import type { Attempt, Store } from '../../engine/store/store.ts'
import { commit, openStore, preimageOf, temporaryFolder, writeTree } from './temporary-store.ts'

const keyOf = (seed: number): CacheKey => cacheKey(preimageOf(seed))

describe('rule 16: an attempt that lost its lease while it was suspended', () => {
  /** Two attempts at one key, of which the first has lost its lease to the second. */
  async function overtaken() {
    const project = temporaryFolder()
    const [one, two] = [await openStore(project), await openStore(project)]
    const first = await one.begin(keyOf(1))
    await writeTree(first.checkpoint, { 'step-10': 'state' })
    await rm(one.layout.lease(keyOf(1)))
    return { one, two, first, second: await two.begin(keyOf(1)) }
  }

  async function finish(store: Store, attempt: Attempt, text: string, refresh = false) {
    await writeFile(attempt.outputPath('log'), text)
    return await store.commit(attempt, {
      preimage: preimageOf(1),
      outputs: { log: { type: 'training-log', kind: 'file' } },
      startedAt: new Date(0).toISOString(),
      durationMs: 1,
      refresh,
    })
  }

  test('writes to no file of the other’s', async () => {
    const { one, two, first, second } = await overtaken()
    expect(one.isCurrent(first)).toBe(false)
    expect(await readFile(join(second.checkpoint, 'step-10'), 'utf8')).toBe('state')
    await writeFile(join(first.checkpoint, 'step-10'), 'late').catch(() => undefined)
    await one.discard(first)
    expect(await readFile(join(second.checkpoint, 'step-10'), 'utf8')).toBe('state')
    expect(two.isCurrent(second)).toBe(true)
  })

  test('does not end the other’s lease by a commit, and gives way to the first result', async () => {
    const { one, two, first, second } = await overtaken()
    const early = await finish(one, first, 'early')
    expect(two.isCurrent(second)).toBe(true)
    expect(existsSync(second.checkpoint)).toBe(true)
    expect(await finish(two, second, 'late')).toMatchObject({ differs: ['log'], outputs: early.outputs })
    expect((await one.lookup(keyOf(1))).record?.outputs).toEqual(early.outputs)
  })

  test('does not refresh what the other has refreshed', async () => {
    const project = temporaryFolder()
    const [one, two] = [await openStore(project), await openStore(project)]
    await finish(one, await one.begin(keyOf(1)), 'old')
    const first = await one.begin(keyOf(1))
    await rm(one.layout.lease(keyOf(1)))
    const early = await finish(two, await two.begin(keyOf(1)), 'new', true)
    expect(early.generation).toBe(2)
    expect(await finish(one, first, 'late', true)).toMatchObject({ generation: 2, differs: ['log'] })
    expect((await one.lookup(keyOf(1))).record?.outputs).toEqual(early.outputs)
  })

  test('a record is never replaced by one that is made as the first', async () => {
    const store = await openStore(temporaryFolder())
    const record = await commit(store, 1)
    const { layout, owner, quarantine } = store.parts
    const actions = new Actions(layout, owner, quarantine)
    const draft = await actions.draft({ ...record, durationMs: 6 })
    expect(actions.create(record.key, draft)).toBe(false)
    expect((await store.lookup(keyOf(1))).record?.durationMs).toBe(5)
  })
})
