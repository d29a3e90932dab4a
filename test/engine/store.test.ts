import { existsSync, lstatSync, readFileSync } from 'node:fs'
import { link, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../engine/fingerprint/hash.ts'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import { parseTree } from '../../engine/fingerprint/tree.ts'
import type { CacheKey, ContentHash } from '../../engine/identity.ts'
import { seal } from '../../engine/store/sealed-json.ts'
import { type ActionRecord, Store } from '../../engine/store/store.ts'
import { damages } from './damages.ts'
import {
  adapterFiles,
  commit,
  committed,
  openStore,
  preimageOf,
  runOf,
  temporaryFolder,
  writeTree,
} from './temporary-store.ts'

const keyOf = (seed: number): CacheKey => cacheKey(preimageOf(seed))

/** Every blob behind a record, by what it is. */
function blobsOf(store: Store, record: ActionRecord): Map<string, string> {
  const { log, adapter } = record.outputs
  const blobs = new Map([
    ['the file', store.layout.blob(log!.hash)],
    ['the listing', store.layout.blob(adapter!.hash)],
  ])
  for (const entry of parseTree(readFileSync(store.layout.blob(adapter!.hash), 'utf8'))!) {
    if (entry.kind === 'file') blobs.set(entry.path, store.layout.blob(entry.hash))
  }
  return blobs
}

describe('rule 8: commit', () => {
  test('what was committed is found, with its bytes, by this store and by the next', async () => {
    const { project, store, record } = await committed()
    expect(record).toMatchObject({
      schema: 1,
      key: keyOf(1),
      generation: 1,
      durationMs: 5,
      device: 'cpu',
      differs: [],
    })
    await store.close()
    const next = await openStore(project)
    const found = (await next.lookup(keyOf(1))).record!
    expect(found.outputs).toEqual(record.outputs)
    expect(found.preimage).toEqual(preimageOf(1))
    expect(found.outputs.log).toEqual({
      type: 'training-log',
      kind: 'file',
      hash: sha256('{"loss":1}\n'),
      sizeBytes: 11,
    })
    expect(await readFile(await next.valuePath(found.outputs.log!.hash, 'file'), 'utf8')).toBe('{"loss":1}\n')
    const view = await next.valuePath(found.outputs.adapter!.hash, 'folder')
    for (const [path, text] of Object.entries(adapterFiles)) {
      expect(await readFile(join(view, path), 'utf8')).toBe(text)
    }
  })

  test('an unknown key is a miss that blames no one', async () => {
    const store = await openStore(temporaryFolder())
    expect(await store.lookup(keyOf(1))).toEqual({ reason: 'no earlier result', damaged: false })
  })

  test('nothing is found before the commit, and nothing private is left after it', async () => {
    const { store } = await committed()
    const attempt = await store.begin(keyOf(2))
    await writeFile(attempt.outputPath('log'), 'half')
    expect((await store.lookup(keyOf(2))).record).toBeUndefined()
    await store.discard(attempt)
    for (const folder of [store.layout.attempts, store.layout.tmp, store.layout.locks]) {
      expect(await readdir(folder)).toEqual([])
    }
  })

  test('blobs are read-only and shared by equal contents', async () => {
    const { store, record } = await committed()
    const other = await commit(store, 2)
    expect(other.outputs.adapter).toEqual(record.outputs.adapter)
    for (const path of blobsOf(store, record).values()) expect(lstatSync(path).mode & 0o777).toBe(0o444)
  })

  test('the log of a commit is kept under its key', async () => {
    const { store } = await committed()
    const preimage = preimageOf(2)
    const attempt = await store.begin(keyOf(2))
    await writeFile(attempt.log, 'epoch 1\n')
    await store.commit(attempt, {
      preimage,
      outputs: {},
      startedAt: new Date(0).toISOString(),
      durationMs: 1,
    })
    expect(await readFile(store.logPath(keyOf(2)), 'utf8')).toBe('epoch 1\n')
  })

  test('an output that is missing or of the wrong kind is a failure that names its port', async () => {
    const store = await openStore(temporaryFolder())
    const attempt = await store.begin(keyOf(1))
    const details = { preimage: preimageOf(1), startedAt: new Date(0).toISOString(), durationMs: 1 }
    const outputs = { log: { type: 'training-log', kind: 'file' } } as const
    await expect(store.commit(attempt, { ...details, outputs })).rejects.toMatchObject({
      details: { code: 'output-missing', message: expect.stringContaining('log') },
    })
    await mkdir(attempt.outputPath('log'))
    await expect(store.commit(attempt, { ...details, outputs })).rejects.toMatchObject({
      details: { code: 'output-kind', message: expect.stringContaining('log') },
    })
    expect((await store.lookup(keyOf(1))).record).toBeUndefined()
  })

  test('outputs that are links to a user’s files are copied: both sides stay as they are', async () => {
    const project = temporaryFolder()
    const store = await openStore(project)
    await writeTree(join(project, 'mine'), { 'model.bin': 'mine' })
    const attempt = await store.begin(keyOf(1))
    await symlink(join(project, 'mine'), attempt.outputPath('adapter'))
    await link(join(project, 'mine/model.bin'), attempt.outputPath('log'))
    const record = await store.commit(attempt, {
      preimage: preimageOf(1),
      outputs: { log: { type: 'text', kind: 'file' }, adapter: { type: 'folder', kind: 'folder' } },
      startedAt: new Date(0).toISOString(),
      durationMs: 1,
    })
    expect(await readFile(join(project, 'mine/model.bin'), 'utf8')).toBe('mine')
    await writeFile(join(project, 'mine/model.bin'), 'edited')
    expect((await store.lookup(record.key)).record).toBeDefined()
  })
})

describe('rule 9: only what is whole is reused', () => {
  for (const [what, damage] of Object.entries(damages)) {
    for (const blob of ['the file', 'the listing', ...Object.keys(adapterFiles)]) {
      test(`${what} of ${blob} is noticed, and the rerun heals it`, async () => {
        const { project, store, record } = await committed()
        // A blob that is known by its stat alone, as in a store of some age.
        await store.lookup(keyOf(1))
        await store.close()
        const path = blobsOf(store, record).get(blob)!
        await damage(path)

        const next = await openStore(project)
        const result = await next.lookup(keyOf(1))
        expect(result).toMatchObject({
          damaged: true,
          reason: expect.stringMatching(/^output .*(missing|damaged)/),
        })
        expect(existsSync(path)).toBe(false)
        if (what !== 'deletion') expect(await readdir(next.layout.quarantine)).toHaveLength(1)

        const again = await commit(next, 1)
        expect(again).toMatchObject({ generation: 1, differs: [], outputs: record.outputs })
        expect((await next.lookup(keyOf(1))).record?.outputs).toEqual(record.outputs)
        const view = await next.valuePath(record.outputs.adapter!.hash, 'folder')
        expect(await readFile(join(view, 'adapter_config.json'), 'utf8')).toBe(
          adapterFiles['adapter_config.json'],
        )
      })
    }
  }

  test('all damage is found in one pass', async () => {
    const { store, record } = await committed()
    for (const path of blobsOf(store, record).values()) {
      if (path !== store.layout.blob(record.outputs.adapter!.hash)) await damages.truncation!(path)
    }
    const { reason } = await store.lookup(keyOf(1))
    expect(reason).toBe('output log is damaged in the store (and 2 more)')
    expect(await readdir(store.layout.quarantine)).toHaveLength(3)
  })

  test.each<[string, (text: string) => string]>([
    ['emptied', () => ''],
    ['truncated', (text) => text.slice(0, -20)],
    ['altered but still JSON', (text) => text.replace('"durationMs":5', '"durationMs":6')],
    ['not even text', () => '\0\0\0'],
  ])('a record that is %s is a miss, and the rerun heals it', async (_how, alter) => {
    const { store } = await committed()
    const path = store.layout.action(keyOf(1))
    await writeFile(path, alter(await readFile(path, 'utf8')))
    expect(await store.lookup(keyOf(1))).toEqual({
      reason: 'the record of the earlier result was damaged',
      damaged: true,
    })
    expect(await readdir(store.layout.quarantine)).toHaveLength(1)
    await commit(store, 1)
    expect((await store.lookup(keyOf(1))).record).toBeDefined()
  })

  test('a record under another key’s name is a miss', async () => {
    const { store } = await committed()
    await commit(store, 2)
    await writeFile(store.layout.action(keyOf(2)), await readFile(store.layout.action(keyOf(1))))
    expect(await store.lookup(keyOf(2))).toMatchObject({ damaged: true })
  })

  test('unchanged blobs are not read again', async () => {
    const project = temporaryFolder()
    const hourAhead = { now: () => BigInt(Date.now() + 3_600_000) * 1_000_000n }
    const store = await Store.open(join(project, '.flow'), hourAhead)
    await commit(store, 1)
    await store.lookup(keyOf(1))
    await store.close()
    const next = await Store.open(join(project, '.flow'), hourAhead)
    expect((await next.lookup(keyOf(1))).record).toBeDefined()
    expect(next.statCache.filesHashed).toBe(0)
  })

  test('using a damaged value fails rather than hands it out', async () => {
    const { project, store, record } = await committed()
    await damages.truncation!(store.layout.blob(record.outputs.log!.hash))
    const failure = { details: { code: 'value-damaged' } }
    await expect(store.valuePath(record.outputs.log!.hash, 'file')).rejects.toMatchObject(failure)
    await expect(store.materialise(record.outputs.log!.hash, 'file', 'log')).rejects.toMatchObject(failure)
    expect(existsSync(join(project, 'log'))).toBe(false)
  })
})

describe('rule 12: generations', () => {
  test('the first result of a key stays; other bytes on a rerun are reported', async () => {
    const { store, record } = await committed()
    const again = await commit(store, 1, { log: 'other\n' })
    expect(again).toMatchObject({ generation: 1, differs: ['log'], outputs: record.outputs })
    expect((await store.lookup(keyOf(1))).record?.outputs).toEqual(record.outputs)
  })

  test('a refresh makes a new generation, and says what differs', async () => {
    const { store, record } = await committed()
    expect(await commit(store, 1, { refresh: true })).toMatchObject({ generation: 2, differs: [] })
    const third = await commit(store, 1, { refresh: true, adapter: { a: 'new' } })
    expect(third).toMatchObject({ generation: 3, differs: ['adapter'] })
    expect(third.outputs.log).toEqual(record.outputs.log)
    expect((await store.lookup(keyOf(1))).record?.outputs.adapter).toEqual(third.outputs.adapter)
  })

  test('two stores that finish one key at once agree on its result', async () => {
    const project = temporaryFolder()
    const stores = await Promise.all(Array.from({ length: 4 }, () => openStore(project)))
    const records = await Promise.all(
      stores.map((store, index) => commit(store, 1, { log: `from ${index}` })),
    )
    const results = new Set(records.map(({ outputs }) => outputs.log!.hash))
    expect(results.size).toBe(1)
    expect(records.filter(({ differs }) => differs.length > 0)).toHaveLength(3)
  })
})

describe('the rest of what a store remembers', () => {
  test('the latest run of a node, per workflow file', async () => {
    const store = await openStore(temporaryFolder())
    expect(await store.lastRun({ file: 'workflows/a.yaml', node: 'sft' })).toBeUndefined()
    await store.rememberRun({ file: 'workflows/a.yaml', node: 'sft' }, runOf(1))
    await store.rememberRun({ file: 'workflows/a.yaml', node: 'sft' }, runOf(2))
    await store.rememberRun({ file: 'workflows/b.yaml', node: 'sft' }, runOf(3))
    expect(await store.lastRun({ file: 'workflows/a.yaml', node: 'sft' })).toMatchObject({
      key: keyOf(2),
      preimage: preimageOf(2),
    })
    expect((await store.lastRun({ file: 'workflows/b.yaml', node: 'sft' }))?.key).toBe(keyOf(3))
    expect(await store.lastRun({ file: 'workflows/a.yaml', node: 'dpo' })).toBeUndefined()
  })

  test('which contents have been validated, by which validator', async () => {
    const store = await openStore(temporaryFolder())
    const hash = 'a'.repeat(64) as ContentHash
    await store.markValidated('preferences', 'digest-1', hash)
    expect(await store.isValidated('preferences', 'digest-1', hash)).toBe(true)
    expect(await store.isValidated('preferences', 'digest-2', hash)).toBe(false)
    expect(await store.isValidated('rewards', 'digest-1', hash)).toBe(false)
  })

  test('a store of another layout is refused, a damaged layout file mended', async () => {
    const { project, store } = await committed()
    await writeFile(store.layout.version, 'rubbish')
    expect((await (await openStore(project)).lookup(keyOf(1))).record).toBeDefined()
    await writeFile(store.layout.version, seal({ layout: 2 }))
    await expect(openStore(project)).rejects.toMatchObject({ details: { code: 'store-version' } })
  })
})
