import {
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import type { CacheKey, RunId } from '../../engine/identity.ts'
import { collect } from '../../engine/store/collect.ts'
import { type CollectPolicy, findGarbage, type Roots } from '../../engine/store/garbage.ts'
import { storedResults } from '../../engine/store/inventory.ts'
import { tryLock, unlock } from '../../engine/store/lock.ts'
import { COLLECT_LOCK } from '../../engine/store/readers.ts'
import type { RunUse } from '../../engine/store/run-use.ts'
import type { Store } from '../../engine/store/store.ts'
import { measureUsage } from '../../engine/store/usage.ts'
import { verifyStore } from '../../engine/store/verify.ts'
import { seededRandom } from '../seeded-random.ts'
import { bundleFixture, startChild } from './child-process.ts'
import { commit, openStore, preimageOf, temporaryFolder, writeTree } from './temporary-store.ts'

const keyOf = (seed: number): CacheKey => cacheKey(preimageOf(seed))
const day = 24 * 3600 * 1000

/** Results 1 to `count` of 10 kB each and one file that all share, used on that many days before now: 1 is the newest. */
async function storeOf(count: number): Promise<{ store: Store; uses: RunUse[] }> {
  const store = await openStore(temporaryFolder())
  const uses: RunUse[] = []
  for (let seed = 1; seed <= count; seed++) {
    const record = await commit(store, seed, {
      log: `${seed}`.repeat(10_000),
      adapter: { shared: 'shared'.repeat(1000) },
    })
    const file = seed % 2 === 0 ? 'even.yaml' : 'odd.yaml'
    uses.push(runAt(Date.parse(record.createdAt) + (count - seed) * day, file, seed))
  }
  return { store, uses }
}

function runAt(usedMs: number, file: string, ...seeds: number[]): RunUse {
  const keys = new Map(seeds.map((seed) => [`node${seed}`, keyOf(seed)]))
  return { runId: `run-${usedMs}` as RunId, file, running: false, usedMs, keys }
}

function rootsOf(uses: readonly RunUse[], roots: Partial<Roots> = {}): Roots {
  return { pinned: new Set(), live: new Set(), uses, ...roots }
}

function seedsOf(store: Store): number[] {
  return [...storedResults(store.layout)].map(({ record }) => Number(record.preimage.params.seed)).sort()
}

async function collectBy(store: Store, roots: Roots, policy: CollectPolicy) {
  return collect(store.parts, findGarbage(store.layout, roots, policy))
}

const everything: CollectPolicy = { maxBytes: 0 }

describe('rule 14: garbage collection', () => {
  test('what was announced is what goes, to the byte', async () => {
    const { store, uses } = await storeOf(4)
    const before = measureUsage(store.layout).total.sizeBytes
    const policy: CollectPolicy = { maxBytes: before - 15_000 }
    const garbage = findGarbage(store.layout, rootsOf(uses), policy)
    expect(garbage.items.map(({ name }) => name)).toEqual([keyOf(4), keyOf(3)])
    expect(seedsOf(store)).toEqual([1, 2, 3, 4])
    expect(garbage.totalBytes).toBe(before)
    const { waitsFor } = await collect(store.parts, garbage)
    expect(waitsFor).toEqual([])
    expect(before - measureUsage(store.layout).total.sizeBytes).toBe(garbage.sizeBytes)
    expect(garbage.sizeBytes).toBeGreaterThan(20_000)
    expect(seedsOf(store)).toEqual([1, 2])
    expect((await verifyStore(store.parts)).faults).toEqual([])
  })

  test('the least recently used go first, pinned and running ones not at all, shared bytes with their last user', async () => {
    const { store, uses } = await storeOf(5)
    const roots = rootsOf(uses, { pinned: new Set([keyOf(5)]), live: new Set([keyOf(3)]) })
    const garbage = findGarbage(store.layout, roots, everything)
    expect(garbage.items.map(({ name }) => name)).toEqual([keyOf(4), keyOf(2), keyOf(1)])
    await collect(store.parts, garbage)
    expect(seedsOf(store)).toEqual([3, 5])
    for (const seed of [3, 5]) expect((await store.lookup(keyOf(seed))).record).toBeDefined()
    // Nothing was freed twice: the shared file went with none of the three.
    expect(garbage.items.every(({ sizeBytes }) => sizeBytes < 14_000)).toBe(true)
    await collectBy(store, rootsOf(uses), everything)
    expect(
      readdirSync(store.layout.blobs).flatMap((fan) => readdirSync(join(store.layout.blobs, fan))),
    ).toEqual([])
  })

  test('the latest runs of each workflow keep their results, and so does youth', async () => {
    const { store, uses } = await storeOf(6)
    const policy = (keepRuns: number, days: number): CollectPolicy => ({
      retention: { keepRuns, olderThanMs: days * day },
    })
    const goes = (what: CollectPolicy) =>
      findGarbage(store.layout, rootsOf(uses), what)
        .items.map(({ name }) => [1, 2, 3, 4, 5, 6].find((seed) => keyOf(seed) === name))
        .sort()
    // All were made just now, which counts as a use.
    expect(goes(policy(0, 1))).toEqual([])
    expect(goes({ retention: { keepRuns: 1, olderThanMs: -7 * day } })).toEqual([3, 4, 5, 6])
    expect(goes({ retention: { keepRuns: 2, olderThanMs: -7 * day } })).toEqual([5, 6])
    expect(goes({ retention: { keepRuns: 0, olderThanMs: -2.5 * day } })).toEqual([4, 5, 6])
    expect(goes({ retention: { keepRuns: 1, olderThanMs: -2.5 * day } })).toEqual([4, 5, 6])
  })

  test('old failures, quarantined files and checkpoints go; a checkpoint of an attempt that runs does not', async () => {
    const store = await openStore(temporaryFolder())
    const failing = await store.begin(keyOf(1))
    await writeTree(failing.checkpoint, { state: 'x' })
    await store.abandon(failing, { code: 'x', message: 'x' })
    const running = await store.begin(keyOf(2))
    await writeTree(running.checkpoint, { state: 'y' })
    await mkdir(store.layout.quarantine, { recursive: true })
    writeFileSync(join(store.layout.quarantine, 'damaged'), 'z')
    const { failures, quarantine, checkpoints } = store.layout
    for (const folder of [failures, quarantine, checkpoints]) {
      for (const name of readdirSync(folder)) utimesSync(join(folder, name), 1, 1)
    }
    const policy = { retention: { keepRuns: 0, olderThanMs: day } }
    // Found before the attempt began, as far as the collector knows: its lease protects the checkpoint all the same.
    const garbage = findGarbage(store.layout, rootsOf([]), policy)
    expect(garbage.items.map(({ kind }) => kind).sort()).toEqual([
      'checkpoint',
      'checkpoint',
      'failure',
      'quarantine',
    ])
    await collect(store.parts, garbage)
    expect([failures, quarantine, checkpoints].map((folder) => readdirSync(folder))).toEqual([
      [],
      [],
      [keyOf(2)],
    ])
    expect(readFileSync(join(running.checkpoint, 'state'), 'utf8')).toBe('y')
    const live = { live: await store.liveKeys() }
    expect(findGarbage(store.layout, rootsOf([], live), policy).items).toEqual([])
    // Unless a run of late was to resume from it.
    await store.discard(running)
    const recent = [runAt(Date.now(), 'w.yaml', 2)]
    utimesSync(join(checkpoints, keyOf(2)), 1, 1)
    expect(
      findGarbage(store.layout, rootsOf(recent), { retention: { keepRuns: 1, olderThanMs: day } }).items,
    ).toEqual([])
  })

  test('a pin that cannot be read stops the collection', async () => {
    const { store } = await storeOf(1)
    await store.pins.add({ name: 'p', key: keyOf(1), node: 'n', createdAt: new Date(0).toISOString() })
    writeFileSync(store.layout.pin('p'), 'torn')
    expect(() => store.pins.list()).toThrowError(
      expect.objectContaining({ details: expect.objectContaining({ code: 'pin-damaged' }) }),
    )
  })
})

describe('rule 14: beside others', () => {
  test('what another has just looked up is there until it has closed the store', async () => {
    const { store, uses } = await storeOf(2)
    const other = await openStore(store.project)
    const { record } = await other.lookup(keyOf(1))
    const { waitsFor } = await collectBy(store, rootsOf(uses), everything)
    expect(waitsFor).toEqual([expect.objectContaining({ pid: process.pid })])
    expect(seedsOf(store)).toEqual([])
    const path = await other.valuePath(record!.outputs.log!.hash, 'file')
    expect(await readFile(path, 'utf8')).toBe('1'.repeat(10_000))
    // Half-way, the store is whole: it only holds blobs that no record names.
    expect((await verifyStore(store.parts)).faults).toEqual([])
    await other.close()
    const late = await collectBy(store, rootsOf(uses), everything)
    expect(late.waitsFor).toEqual([])
    expect(measureUsage(store.layout).parts.blobs).toEqual({ files: 0, sizeBytes: 0 })
  })

  test('a blob that a commit has found in place is still there when its record is written', async () => {
    const { store, uses } = await storeOf(1)
    const other = await openStore(store.project)
    const attempt = await other.begin(keyOf(2))
    writeFileSync(attempt.outputPath('log'), '1'.repeat(10_000))
    await mkdir(attempt.outputPath('adapter'))
    await collectBy(store, rootsOf(uses), everything)
    await other.commit(attempt, {
      preimage: preimageOf(2),
      outputs: { log: { type: 'training-log', kind: 'file' }, adapter: { type: 'adapter', kind: 'folder' } },
      startedAt: new Date(0).toISOString(),
      durationMs: 5,
    })
    await other.close()
    await collectBy(store, rootsOf(uses, { pinned: new Set([keyOf(2)]) }), everything)
    expect((await store.lookup(keyOf(2))).record).toBeDefined()
  })

  test('the sign of a process of another machine counts, that of one before the last boot does not', async () => {
    const { store, uses } = await storeOf(1)
    const own = readlinkSync(join(store.layout.readers, store.parts.owner.id))
    const [host, boot, ...rest] = own.split('.')
    expect(own.length).toBeLessThan(60)
    symlinkSync([host, 'b'.repeat(8), ...rest].join('.'), join(store.layout.readers, 'before'))
    const elsewhere = join(store.layout.readers, 'elsewhere')
    symlinkSync(['a'.repeat(8), 'b'.repeat(8), ...rest].join('.'), elsewhere)
    expect(boot).not.toBe('b'.repeat(8))
    const { waitsFor } = await collectBy(store, rootsOf(uses), everything)
    expect(waitsFor).toEqual([{ host: 'another machine', pid: process.pid }])
    expect(readdirSync(store.layout.readers).sort()).toEqual(['elsewhere', store.parts.owner.id].sort())
    rmSync(elsewhere)
    expect((await collectBy(store, rootsOf(uses), everything)).waitsFor).toEqual([])
  })

  test('who opens the store while blobs are being deleted waits, and is seen', async () => {
    const { store, uses } = await storeOf(1)
    const { layout, owner } = store.parts
    expect(await tryLock(owner, layout.lock(COLLECT_LOCK))).toBe(true)
    let opened = false
    const opening = openStore(store.project).then((other) => {
      opened = true
      return other
    })
    while (readdirSync(layout.readers).length < 2) await delay(1)
    await delay(50)
    expect(opened).toBe(false)
    await unlock(owner, layout.lock(COLLECT_LOCK))
    const other = await opening
    expect((await collectBy(store, rootsOf(uses), everything)).waitsFor).toHaveLength(1)
    await other.close()
  })

  test('processes that commit, reuse and collect at once, killed at seeded moments: every record whole, nothing lost in use', {
    timeout: 120_000,
  }, async () => {
    const project = temporaryFolder()
    const script = await bundleFixture('collect-loop.ts')
    const random = seededRandom(14)
    const said = new Set<string>()
    for (let round = 0; round < 6; round++) {
      const children = [1, 2].map((child) => startChild(script, project, String(round * 2 + child)))
      await Promise.all(
        children.map(async (child) => {
          await child.line('round', 4 + Math.floor(random() * 10))
          await delay(random() * 30)
          child.process.kill('SIGKILL')
          await child.ended
        }),
      )
      for (const line of children.flatMap((child) => child.lines)) {
        expect(line).not.toMatch(/^fault/)
        said.add(line.split(' ')[0]!)
      }
      const store = await openStore(project)
      expect((await verifyStore(store.parts)).faults).toEqual([])
      await store.close()
    }
    // All of it has happened, deletions of blobs among others included.
    expect([...said].sort()).toEqual(['collected', 'made', 'reused', 'round', 'waited'])
    const store = await openStore(project)
    await collectBy(store, rootsOf([]), everything)
    // The signs of the killed have not kept anything.
    expect(measureUsage(store.layout).parts.blobs).toEqual({ files: 0, sizeBytes: 0 })
    expect(readdirSync(store.layout.readers)).toHaveLength(1)
  })
})
