import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as after } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../engine/fingerprint/hash.ts'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import type { CacheKey } from '../../engine/identity.ts'
import type { Store } from '../../engine/store/store.ts'
import { outputText, preimageOf } from '../fixtures/engine/commit-loop-content.ts'
import { seededRandom } from '../seeded-random.ts'
import { bundleFixture, startChild } from './child-process.ts'
import { openStore, temporaryFolder } from './temporary-store.ts'

/** Every record that is there is found whole, and holds what its stage wrote. */
async function expectEveryRecordWhole(store: Store): Promise<Set<CacheKey>> {
  const keys = new Set<CacheKey>()
  for (const shard of await readdir(store.layout.actions)) {
    for (const name of await readdir(join(store.layout.actions, shard))) {
      const key = basename(name, '.json') as CacheKey
      const { record, reason } = await store.lookup(key)
      expect(reason).toBeUndefined()
      const index = record!.preimage.params.index as number
      const { log, adapter } = record!.outputs
      expect(log!.hash).toBe(sha256(outputText(index, 'log')))
      const view = await store.valuePath(adapter!.hash, 'folder')
      for (const path of ['a', 'nested/b', 'nested/c']) {
        expect(await readFile(join(view, path), 'utf8')).toBe(outputText(index, path))
      }
      keys.add(key)
    }
  }
  return keys
}

async function expectNothingLeftBehind(store: Store): Promise<void> {
  const { attempts, tmp, locks, owners } = store.layout
  for (const folder of [attempts, tmp, locks]) expect(await readdir(folder)).toEqual([])
  for (const name of await readdir(owners)) {
    if (!name.endsWith('.json')) continue
    expect(JSON.parse(await readFile(join(owners, name), 'utf8'))).toMatchObject({ pid: process.pid })
  }
}

describe('rule 8: kill -9', () => {
  test('two processes killed at seeded moments leave only whole records, and lose none', {
    timeout: 120_000,
  }, async () => {
    const project = temporaryFolder()
    const script = await bundleFixture('commit-loop.ts')
    const random = seededRandom(20_260)
    const promised = new Set<CacheKey>()
    let next = 0
    for (let round = 0; round < 10; round++) {
      // Both begin at the same number: they race for the same keys, checkpoints and destinations.
      const children = [startChild(script, project, String(next)), startChild(script, project, String(next))]
      await Promise.all(
        children.map(async (child) => {
          await child.line('began', 1 + Math.floor(random() * 4))
          await after(random() * 40)
          child.process.kill('SIGKILL')
          await child.ended
        }),
      )
      for (const line of children.flatMap((child) => child.lines)) {
        expect(line).not.toMatch(/^fault/)
        const [what, number] = line.split(' ')
        if (what === 'committed') promised.add(cacheKey(preimageOf(Number(number))))
        // Go back over the last keys: the next round reuses what this one has left behind.
        next = Math.max(next, Number(number) - 1)
      }
      const store = await openStore(project)
      await expectNothingLeftBehind(store)
      const found = await expectEveryRecordWhole(store)
      for (const key of promised) expect(found).toContain(key)
      expect(await readdir(store.layout.quarantine)).toEqual([])
      await store.close()
    }
    expect(promised.size).toBeGreaterThan(0)

    const store = await openStore(project)
    const last = await store.lookup([...promised].at(-1)!)
    for (const [port, { hash, kind }] of Object.entries(last.record!.outputs)) {
      expect((await store.materialise(hash, kind, `out/${port}`)).fault).toBeUndefined()
      expect(await store.hashValue(`out/${port}`, kind)).toMatchObject({ hash })
    }
    expect((await readdir(join(project, 'out'))).sort()).toEqual(['adapter', 'log'])
  })

  test('the sweep removes the attempt of a dead process, spares a living one, and keeps the checkpoint', async () => {
    const project = temporaryFolder()
    const script = await bundleFixture('hold-attempt.ts')
    const child = startChild(script, project)
    const id = (await child.line('holding')).split(' ')[1]!
    const whileAlive = await openStore(project)
    expect(await readdir(whileAlive.layout.attempts)).toEqual([id])
    await whileAlive.close()

    child.process.kill('SIGKILL')
    await child.ended
    const store = await openStore(project)
    await expectNothingLeftBehind(store)
    const resumed = await store.begin(cacheKey(preimageOf(0)))
    expect(await readFile(join(resumed.checkpoint, 'step-1'), 'utf8')).toBe('state')
    expect(existsSync(resumed.outputPath('log'))).toBe(false)
  })

  test('an owner of an earlier boot, or whose pid now is another process, is dead', async () => {
    const project = temporaryFolder()
    const store = await openStore(project)
    const attempt = await store.begin(cacheKey(preimageOf(0)))
    const ownerFile = join(store.layout.owners, `${attempt.id.split('-')[0]}.json`)
    const owner = JSON.parse(await readFile(ownerFile, 'utf8'))
    const survivesAs = async (change: object): Promise<boolean> => {
      await mkdir(attempt.folder, { recursive: true })
      await writeFile(ownerFile, JSON.stringify({ ...owner, ...change }))
      await (await openStore(project)).close()
      return existsSync(attempt.folder)
    }
    expect(await survivesAs({})).toBe(true)
    expect(await survivesAs({ bootId: 'another' })).toBe(false)
    expect(await survivesAs({ startTicks: '1' })).toBe(false)
    // Another container or machine: its pids say nothing here.
    expect(await survivesAs({ bootId: 'another', host: 'another' })).toBe(true)
    expect(await survivesAs({ pidNamespace: 'pid:[1]', pid: 999_999_999 })).toBe(true)
  })

  test('rule 16: what an owner of another machine left is swept when its heart has stopped for long enough', async () => {
    const project = temporaryFolder()
    const store = await openStore(project)
    const attempt = await store.begin(cacheKey(preimageOf(0)))
    const id = attempt.id.split('-')[0]!
    const { owners } = store.layout
    // From here on nobody but the test advances its heartbeat.
    await store.close()
    const elsewhere = { host: 'another', bootId: 'another', pidNamespace: null, pid: 1, startTicks: '1' }
    const beat = (count: number) => writeFile(join(owners, `${id}.beat`), JSON.stringify({ beat: count }))
    await writeFile(join(owners, `${id}.json`), JSON.stringify({ ...elsewhere, beatEveryMs: 2000 }))
    await beat(1)
    /** Opens the store as a command would, so long after the command before. */
    const survives = async (afterMs: number): Promise<boolean> => {
      for (const name of (await readdir(owners)).filter((name) => name.includes('.seen-'))) {
        const note = JSON.parse(await readFile(join(owners, name), 'utf8'))
        await writeFile(join(owners, name), JSON.stringify({ ...note, atMs: note.atMs - afterMs }))
      }
      await (await openStore(project)).close()
      return existsSync(attempt.folder)
    }
    expect(await survives(0)).toBe(true)
    expect(await survives(29_000)).toBe(true)
    await beat(2)
    // The last one to look saw another beat, however long ago.
    expect(await survives(24 * 3600_000)).toBe(true)
    expect(await survives(29_000)).toBe(true)
    expect(await survives(2000)).toBe(false)
    expect(await readdir(owners)).toEqual([])
  })
})
