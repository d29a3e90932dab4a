import {
  appendFileSync,
  chmodSync,
  existsSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../engine/fingerprint/hash.ts'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import { fannedFiles, namesIn } from '../../engine/store/inventory.ts'
import { Store } from '../../engine/store/store.ts'
import { verifyStore } from '../../engine/store/verify.ts'
import { commit, openStore, preimageOf, runOf, temporaryFolder } from './temporary-store.ts'

/** A store with at least one of everything that `verify` looks at. */
async function fullStore(): Promise<Store> {
  const project = temporaryFolder()
  const store = await openStore(project)
  const { outputs, key } = await commit(store, 1)
  await store.valuePath(outputs.adapter!.hash, 'folder')
  await store.materialise(outputs.log!.hash, 'file', 'out.jsonl')
  await store.rememberRun({ file: 'w.yaml', node: 'sft' }, runOf(1))
  await store.markValidated('adapter', 'c0de', outputs.adapter!.hash)
  await store.pins.add({ name: 'best', key, node: 'sft', createdAt: new Date(0).toISOString() })
  return store
}

const harms: Readonly<Record<string, (path: string) => Promise<void> | void>> = {
  'a flipped bit, size and mtime kept'(path) {
    const { atimeMs, mtimeMs } = statSync(path)
    const bytes = readFileSync(path)
    bytes[0] = (bytes[0] ?? 0) ^ 1
    chmodSync(path, 0o644)
    writeFileSync(path, bytes)
    utimesSync(path, atimeMs / 1000, mtimeMs / 1000)
  },
  emptying(path) {
    chmodSync(path, 0o644)
    writeFileSync(path, '')
  },
  'a byte more'(path) {
    chmodSync(path, 0o644)
    appendFileSync(path, '\n')
  },
  async 'a folder in its place'(path) {
    await rm(path)
    await mkdir(path)
  },
}

function sealedFiles({ layout }: Store): string[] {
  const lastRuns = namesIn(layout.lastRuns).flatMap((folder) =>
    namesIn(join(layout.lastRuns, folder)).map((name) => join(layout.lastRuns, folder, name)),
  )
  return [
    ...[...fannedFiles(layout.actions)].map(({ path }) => path),
    ...namesIn(layout.ledger).map((name) => join(layout.ledger, name)),
    ...namesIn(layout.pins).map((name) => join(layout.pins, name)),
    ...lastRuns,
  ]
}

describe('rule 9: verify', () => {
  test('a whole store is whole, and nothing of it is touched', async () => {
    const store = await fullStore()
    const before = await readdir(store.layout.root, { recursive: true })
    const report = await verifyStore(store.parts)
    expect(report).toMatchObject({ checked: { blobs: 4, records: 1, views: 1 }, faults: [] })
    expect(await readdir(store.layout.root, { recursive: true })).toEqual(before)
  })

  for (const [what, harm] of Object.entries(harms)) {
    test(`${what} of any blob is found, set aside, and healed by the rerun`, async () => {
      for (let index = 0; index < 4; index++) {
        const store = await fullStore()
        // The views go first: they share their bytes with the blobs.
        await rm(store.layout.views, { recursive: true })
        const { path } = [...fannedFiles(store.layout.blobs)][index]!
        await harm(path)
        const { faults } = await verifyStore(store.parts)
        expect(faults.map(({ what, quarantined }) => [what, quarantined])).toEqual([
          ['blob', true],
          ['result', false],
        ])
        expect(existsSync(path)).toBe(false)
        expect((await store.lookup(cacheKey(preimageOf(1)))).record).toBeUndefined()
        await commit(store, 1)
        expect((await verifyStore(store.parts)).faults).toEqual([])
      }
    })

    test(`${what} of a record, a ledger entry, a pin or a last run is found and set aside`, async () => {
      const count = sealedFiles(await fullStore()).length
      expect(count).toBe(4)
      for (let index = 0; index < count; index++) {
        const store = await fullStore()
        const path = sealedFiles(store)[index]!
        await harm(path)
        const { faults } = await verifyStore(store.parts)
        expect(faults).toHaveLength(1)
        expect(store.layout.root + '/' + faults[0]!.path).toBe(path)
        expect(existsSync(path)).toBe(false)
        expect(await readdir(store.layout.quarantine)).toHaveLength(1)
        expect((await verifyStore(store.parts)).faults).toEqual([])
      }
    })
  }

  test('rule 5: a stat cache that vouches for damaged bytes is not asked', async () => {
    const store = await fullStore()
    await rm(store.layout.views, { recursive: true })
    await store.close()
    const { path, digest } = [...fannedFiles(store.layout.blobs)][0]!
    await harms['a flipped bit, size and mtime kept']!(path)
    // As if the bytes had rotted below the file system: no time and no size tells.
    const { dev, ino, size, mtimeNs, ctimeNs } = statSync(path, { bigint: true })
    const body = `flow-stat-cache 1\n${dev} ${ino} ${size} ${mtimeNs} ${ctimeNs} ${digest}\n`
    writeFileSync(store.layout.statCache, `${body}${sha256(body)}\n`)
    const next = await Store.open(store.layout.root)
    expect((await next.lookup(cacheKey(preimageOf(1)))).record).toBeDefined()
    expect((await verifyStore(next.parts)).faults[0]).toMatchObject({ what: 'blob', quarantined: true })
  })

  test('files that the store did not put there, views that were altered, and marks with content are set aside', async () => {
    const store = await fullStore()
    const { layout } = store
    const [blob] = [...fannedFiles(layout.blobs)]
    writeFileSync(join(blob!.path, '..', 'notes.txt'), 'x')
    writeFileSync(join(layout.views, namesIn(layout.views)[0]!, 'extra'), 'x')
    const [mark] = [...fannedFiles(layout.marks)]
    writeFileSync(mark!.path, 'x')
    const { faults } = await verifyStore(store.parts)
    expect(faults.map(({ what }) => what)).toEqual(['blob', 'view', 'mark'])
    expect((await verifyStore(store.parts)).faults).toEqual([])
  })
})
