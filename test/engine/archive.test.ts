import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { packTar, type TarEntry, unpackTar } from 'modern-tar'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../engine/fingerprint/hash.ts'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import type { CacheKey } from '../../engine/identity.ts'
import { exportResults } from '../../engine/store/export.ts'
import { importResults } from '../../engine/store/import.ts'
import { namesIn, storedResults } from '../../engine/store/inventory.ts'
import { seal } from '../../engine/store/sealed-json.ts'
import type { Store } from '../../engine/store/store.ts'
import { measureUsage } from '../../engine/store/usage.ts'
import { verifyStore } from '../../engine/store/verify.ts'
import { adapterFiles, commit, openStore, preimageOf, temporaryFolder, writeTree } from './temporary-store.ts'

const keyOf = (seed: number): CacheKey => cacheKey(preimageOf(seed))

async function exported(...seeds: number[]): Promise<{ store: Store; file: string }> {
  const store = await openStore(temporaryFolder())
  for (const seed of seeds) await commit(store, seed)
  const file = join(store.project, 'results.tar')
  await exportResults(store.parts, new Map(seeds.map((seed) => [keyOf(seed), `node${seed}`])), file)
  return { store, file }
}

type Entries = TarEntry[]

/** The archive, with its entries changed. */
async function tampered(
  file: string,
  change: (entries: Entries) => Entries | Promise<Entries>,
): Promise<string> {
  const entries = (await unpackTar(readFileSync(file))).map(({ header, data }) => ({
    header,
    body: data as Uint8Array,
  }))
  const path = join(temporaryFolder(), 'tampered.tar')
  writeFileSync(path, await packTar(await change(entries)))
  return path
}

function entryOf(name: string, text: string, type: 'file' | 'symlink' = 'file'): TarEntry {
  const link = type === 'symlink' ? { linkname: text, size: 0 } : { size: Buffer.byteLength(text) }
  return { header: { name, type, ...link }, ...(type === 'file' ? { body: text } : {}) }
}

/** The entry with this beginning of a name, with another text. */
function withText(entries: Entries, prefix: string, change: (text: string) => string): Entries {
  return entries.map(({ header, body }) => {
    if (!header.name.startsWith(prefix)) return { header, body }
    const text = change(Buffer.from(body as Uint8Array).toString())
    return { header: { ...header, size: Buffer.byteLength(text) }, body: text }
  })
}

describe('rule 9: archives', () => {
  test('what was exported is whole elsewhere, with its log; equal results give equal bytes', async () => {
    const { store, file } = await exported(1, 2)
    const log = relative(store.project, store.layout.log(keyOf(1)))
    await writeTree(store.project, { [log]: 'what the stage said' })
    const again = join(store.project, 'again.tar')
    await exportResults(store.parts, new Map([2, 1].map((seed) => [keyOf(seed), `node${seed}`])), again)
    await exportResults(store.parts, new Map([2, 1].map((seed) => [keyOf(seed), `node${seed}`])), `${again}2`)
    expect(readFileSync(again).equals(readFileSync(`${again}2`))).toBe(true)
    expect(readFileSync(again).equals(readFileSync(file))).toBe(false)

    const other = await openStore(temporaryFolder())
    expect(await importResults(other.parts, again)).toEqual({ placed: 2, present: 0, differs: 0 })
    for (const seed of [1, 2]) {
      const { record } = await other.lookup(keyOf(seed))
      expect(record).toEqual((await store.lookup(keyOf(seed))).record)
      const view = await other.valuePath(record!.outputs.adapter!.hash, 'folder')
      for (const [path, text] of Object.entries(adapterFiles)) {
        expect(await readFile(join(view, path), 'utf8')).toBe(text)
      }
    }
    expect(readFileSync(other.logPath(keyOf(1)), 'utf8')).toBe('what the stage said')
    expect((await verifyStore(other.parts)).faults).toEqual([])
    // What a machine or a time could differ in is in no header.
    const headers = (await unpackTar(readFileSync(again))).map(({ header }) => header)
    expect(headers.map(({ mtime, uid, gid }) => [mtime?.getTime(), uid, gid])).toEqual(
      headers.map(() => [0, 0, 0]),
    )
    expect(headers.map(({ name }) => name.split('/')[0])).toEqual([
      'flow-export.json',
      ...['blobs', 'blobs', 'blobs', 'blobs', 'blobs', 'logs', 'actions', 'actions'],
    ])
  })

  test('a second import changes nothing, and a result of the key that is here stays', async () => {
    const { file } = await exported(1, 2)
    const other = await openStore(temporaryFolder())
    await commit(other, 1, { log: 'own' })
    expect(await importResults(other.parts, file)).toEqual({ placed: 1, present: 0, differs: 1 })
    const usage = measureUsage(other.layout).parts
    expect(await importResults(other.parts, file)).toEqual({ placed: 0, present: 1, differs: 1 })
    expect(measureUsage(other.layout).parts).toMatchObject({ blobs: usage.blobs, actions: usage.actions })
    expect((await other.lookup(keyOf(1))).record?.outputs.log?.hash).toBe(sha256('own'))
    expect(namesIn(other.layout.tmp)).toEqual([])
  })

  test('an import heals what was lost', async () => {
    const { store, file } = await exported(1)
    const { record } = await store.lookup(keyOf(1))
    await store.parts.quarantine.take(store.layout.blob(record!.outputs.log!.hash))
    expect((await store.lookup(keyOf(1))).record).toBeUndefined()
    expect(await importResults(store.parts, file)).toEqual({ placed: 0, present: 1, differs: 0 })
    expect((await store.lookup(keyOf(1))).record).toBeDefined()
  })

  test('an export replaces no file', async () => {
    const { store, file } = await exported(1)
    await expect(exportResults(store.parts, new Map([[keyOf(1), undefined]]), file)).rejects.toMatchObject({
      details: { code: 'file-exists' },
    })
    expect(namesIn(store.project).sort()).toEqual(['.flow', 'results.tar'])
  })

  const poisons: Readonly<Record<string, { code: string; change: (entries: Entries) => Entries }>> = {
    'a blob with other bytes': {
      code: 'foreign-bytes',
      change: (entries) => withText(entries, 'blobs/', (text) => text.replace(/.$/s, '!')),
    },
    'a blob that is missing': {
      code: 'archive-incomplete',
      change: (entries) => entries.filter(({ header }, index) => index !== 1 || header.name === ''),
    },
    'a record that names other outputs, its seal broken': {
      code: 'foreign-record',
      change: (entries) =>
        withText(entries, 'actions/', (text) => text.replace('"sizeBytes":1', '"sizeBytes":2')),
    },
    'a record of other parameters under this key, well sealed': {
      code: 'foreign-record',
      change: (entries) =>
        withText(entries, 'actions/', (text) => {
          const { value } = JSON.parse(text)
          return seal({ ...value, preimage: { ...value.preimage, params: { seed: 666 } } })
        }),
    },
    'a record with a port too many, well sealed': {
      code: 'foreign-record',
      change: (entries) =>
        withText(entries, 'actions/', (text) => {
          const { value } = JSON.parse(text)
          return seal({ ...value, outputs: { ...value.outputs, more: value.outputs.log } })
        }),
    },
    'a path that leads out': {
      code: 'archive-entry',
      change: (entries) => [...entries, entryOf('../outside', 'x')],
    },
    'an absolute path': { code: 'archive-entry', change: (entries) => [...entries, entryOf('/tmp/x', 'x')] },
    'a path that leads out from within': {
      code: 'archive-entry',
      change: (entries) => [...entries, entryOf(`blobs/../../${'a'.repeat(64)}`, 'x')],
    },
    'a symbolic link': {
      code: 'archive-entry',
      change: (entries) => [...entries, entryOf(`blobs/aa/${'a'.repeat(64)}`, '/etc/passwd', 'symlink')],
    },
    'an entry twice': { code: 'archive-entry', change: (entries) => [...entries, entries[1]!] },
    'no manifest': { code: 'archive-damaged', change: (entries) => entries.slice(1) },
  }
  for (const [what, { code, change }] of Object.entries(poisons)) {
    test(`${what} is refused, and nothing of the archive is placed`, async () => {
      const { file } = await exported(1)
      const other = await openStore(temporaryFolder())
      await expect(importResults(other.parts, await tampered(file, change))).rejects.toMatchObject({
        details: { code },
      })
      expect([...storedResults(other.layout)]).toEqual([])
      expect(measureUsage(other.layout).parts.blobs.files).toBe(0)
      expect(namesIn(other.layout.tmp)).toEqual([])
      expect(existsSync(join(other.project, 'outside'))).toBe(false)
    })
  }

  test('an archive that is cut off anywhere is refused', async () => {
    const { file } = await exported(1)
    const bytes = readFileSync(file)
    for (const part of [0.1, 0.4, 0.6, 0.8]) {
      const other = await openStore(temporaryFolder())
      const cut = join(other.project, 'cut.tar')
      writeFileSync(cut, bytes.subarray(0, Math.floor(bytes.length * part)))
      await expect(importResults(other.parts, cut)).rejects.toMatchObject({
        details: { code: expect.stringMatching(/^(archive-|foreign-)/) },
      })
      expect([...storedResults(other.layout)]).toEqual([])
    }
  })
})
