import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../engine/fingerprint/hash.ts'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import type { CacheKey } from '../../engine/identity.ts'
import { namesIn, storedResults } from '../../engine/store/inventory.ts'
import { seal } from '../../engine/store/sealed-json.ts'
import { openSharedCache, type SharedCache } from '../../engine/store/shared/shared-cache.ts'
import { SharedResults, type SharedResultsOptions } from '../../engine/store/shared/shared-results.ts'
import { Store } from '../../engine/store/store.ts'
import { measureUsage } from '../../engine/store/usage.ts'
import { verifyStore } from '../../engine/store/verify.ts'
import { BucketServer } from './bucket-server.ts'
import { adapterFiles, commit, preimageOf, temporaryFolder } from './temporary-store.ts'

const keyOf = (seed: number): CacheKey => cacheKey(preimageOf(seed))

/** A shared cache, and a back door to it. */
interface Place {
  readonly cache: SharedCache
  names(): string[]
  get(name: string): Buffer
  put(name: string, content: string | Buffer): void
  remove(name: string): void
  /** From here on it cannot be reached. */
  break(): void
}

const places: Readonly<Record<string, () => Promise<Place>>> = {
  async 'a folder'() {
    const folder = join(temporaryFolder(), 'shared')
    const cache = await openSharedCache(folder, { write: true, environment: {} })
    return {
      cache,
      names: () =>
        readdirSync(folder, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
          .sort(),
      get: (name) => readFileSync(join(folder, name)),
      put: (name, content) => {
        mkdirSync(join(folder, name, '..'), { recursive: true })
        writeFileSync(join(folder, name), content)
      },
      remove: (name) => rmSync(join(folder, name)),
      break: () => rmSync(folder, { recursive: true }),
    }
  },
  async 'a bucket'() {
    const server = await BucketServer.listen()
    const cache = await openSharedCache('s3://results/team/one', {
      write: true,
      environment: server.environment,
    })
    const url = (name: string) => `/results/team/one/${name}`
    return {
      cache,
      names: () => [...server.objects.keys()].map((key) => key.slice(url('').length)).sort(),
      get: (name) => server.objects.get(url(name))!,
      put: (name, content) => void server.objects.set(url(name), Buffer.from(content)),
      remove: (name) => void server.objects.delete(url(name)),
      break: () => {
        server.brokenWith = 503
      },
    }
  },
}

interface Opened {
  readonly store: Store
  readonly shared: SharedResults
  readonly warnings: string[]
}

async function openBeside(place: Place, options: Partial<SharedResultsOptions> = {}): Promise<Opened> {
  const shared = new SharedResults({ cache: place.cache, use: 'take', write: false, ...options })
  const store = await Store.open(join(temporaryFolder(), '.flow'), { shared })
  const warnings: string[] = []
  shared.onWarning((message) => warnings.push(message))
  return { store, shared, warnings }
}

/** A place that holds the result of `preimageOf(1)`. */
async function filled(place: Place, signingKey?: string): Promise<void> {
  const { store, shared, warnings } = await openBeside(place, { write: true, signingKey })
  const { key } = await commit(store, 1)
  store.share(key)
  await shared.settled()
  expect(warnings).toEqual([])
}

function expectNothingTaken({ store }: Opened): void {
  expect([...storedResults(store.layout)]).toEqual([])
  expect(measureUsage(store.layout).parts.blobs.files).toBe(0)
  expect(namesIn(store.layout.tmp)).toEqual([])
}

const recordName = `actions/${keyOf(1).slice(0, 2)}/${keyOf(1)}.json`

function resealed(text: string, change: (record: Readonly<Record<string, object>>) => object): string {
  return seal(change(JSON.parse(text.split('\n')[0]!).value))
}

const logBlob = (place: Place) => place.names().find((name) => name.endsWith(sha256('{"loss":1}\n')))!
const listingBlob = (place: Place) =>
  place.names().find((name) => place.get(name).toString().startsWith('flow-tree'))!

/** What somebody who may write there could leave for others. */
const poisons: Readonly<Record<string, (place: Place) => void>> = {
  'a blob with other bytes of the same size': (place) => place.put(logBlob(place), '{"loss":0}\n'),
  'a blob with more bytes': (place) => place.put(logBlob(place), '{"loss":1}\n and more'),
  'an empty blob': (place) => place.put(logBlob(place), ''),
  'a blob that is missing': (place) => place.remove(logBlob(place)),
  'a listing with another file': (place) =>
    place.put(listingBlob(place), place.get(listingBlob(place)).toString().replace('adapter_', 'adaptor_')),
  'a listing that leads out of its folder, under its own hash': (place) => {
    const text = `flow-tree 1\nfile ${sha256('x')} 1 "../outside"\n`
    place.put(`blobs/${sha256(text).slice(0, 2)}/${sha256(text)}`, text)
    place.put(`blobs/${sha256('x').slice(0, 2)}/${sha256('x')}`, 'x')
    const record = resealed(place.get(recordName).toString(), ({ outputs, ...rest }) => ({
      ...rest,
      outputs: {
        ...outputs,
        adapter: { type: 'adapter', kind: 'folder', hash: sha256(text), sizeBytes: 1 },
      },
    }))
    place.put(recordName, record)
  },
  'a record with a broken seal': (place) =>
    place.put(recordName, place.get(recordName).toString().replace('"durationMs":5', '"durationMs":6')),
  'the record of other parameters, well sealed': (place) =>
    place.put(
      recordName,
      resealed(place.get(recordName).toString(), (record) => ({ ...record, preimage: preimageOf(2) })),
    ),
  'the record of another key in its place': (place) =>
    place.put(
      recordName,
      resealed(place.get(recordName).toString(), (record) => ({
        ...record,
        preimage: preimageOf(2),
        key: keyOf(2),
      })),
    ),
  'a hash that is a path': (place) =>
    place.put(
      recordName,
      resealed(place.get(recordName).toString(), ({ outputs, ...rest }) => ({
        ...rest,
        outputs: {
          ...outputs,
          log: { type: 'training-log', kind: 'file', hash: '../../x', sizeBytes: 1 },
        },
      })),
    ),
  'no record at all': (place) => place.put(recordName, '<html>not found</html>'),
}

for (const [kind, open] of Object.entries(places)) {
  describe(`rule 9: ${kind} as a shared cache`, () => {
    test('a miss is read through, whole, and is then the store’s own', async () => {
      const place = await open()
      await filled(place)
      expect(place.names()).toHaveLength(5)
      const { store, warnings } = await openBeside(place)
      const found = await store.lookup(keyOf(1))
      expect(found).toMatchObject({ origin: 'from the shared cache', record: { key: keyOf(1) } })
      const view = await store.valuePath(found.record!.outputs.adapter!.hash, 'folder')
      for (const [path, text] of Object.entries(adapterFiles)) {
        expect(await readFile(join(view, path), 'utf8')).toBe(text)
      }
      expect((await verifyStore(store.parts)).faults).toEqual([])
      place.break()
      expect(await store.lookup(keyOf(1))).not.toHaveProperty('origin')
      expect((await store.lookup(keyOf(1))).record).toEqual(found.record)
      expect(warnings).toEqual([])
    })

    test('a look takes nothing in', async () => {
      const place = await open()
      await filled(place)
      const opened = await openBeside(place, { use: 'look' })
      expect(await opened.store.lookup(keyOf(1))).toMatchObject({ origin: 'in the shared cache' })
      expectNothingTaken(opened)
    })

    test('nothing is written there without being told to', async () => {
      const place = await open()
      const { store, shared } = await openBeside(place)
      store.share((await commit(store, 1)).key)
      await shared.settled()
      expect(place.names()).toEqual([])
    })

    test('what is there is not sent again, and the first result of a key stays', async () => {
      const place = await open()
      await filled(place)
      const before = place.names().map((name) => [name, place.get(name).toString()])
      const { store, shared } = await openBeside(place, { write: true })
      store.share((await commit(store, 1, { log: 'another\n' })).key)
      await shared.settled()
      expect(place.get(recordName).toString()).toBe(before.find(([name]) => name === recordName)?.[1])
    })

    for (const [what, poison] of Object.entries(poisons)) {
      test(`${what} is refused and told, and mended by who may write`, async () => {
        const place = await open()
        await filled(place)
        const good = place.get(recordName).toString()
        poison(place)
        const reader = await openBeside(place)
        expect(await reader.store.lookup(keyOf(1))).toEqual({ reason: 'no earlier result', damaged: false })
        expect(reader.warnings).toEqual([expect.stringContaining('refused')])
        expectNothingTaken(reader)
        expect(existsSync(join(reader.store.project, 'outside'))).toBe(false)
        // The node runs; so it goes for one who writes, too, and whose result then takes the bad one's place.
        const writer = await openBeside(place, { write: true })
        await writer.store.lookup(keyOf(1))
        writer.store.share((await commit(writer.store, 1)).key)
        await writer.shared.settled()
        const next = await openBeside(place)
        expect((await next.store.lookup(keyOf(1))).record?.outputs).toEqual(JSON.parse(good).value.outputs)
        expect(next.warnings).toEqual([])
      })
    }

    test('with a key, only what was signed with it is taken', async () => {
      const place = await open()
      await filled(place)
      const unsigned = await openBeside(place, { signingKey: 'ours' })
      expect((await unsigned.store.lookup(keyOf(1))).record).toBeUndefined()
      expect(unsigned.warnings).toEqual([expect.stringContaining('is not signed')])
      expectNothingTaken(unsigned)

      // A well-formed record under the right key, whose outputs are somebody else's: the poison that no digest shows.
      const signed = await open()
      await filled(signed, 'ours')
      const signature = signed.get(recordName).toString().split('\n')[1]
      const evil = 'evil'
      signed.put(`blobs/${sha256(evil).slice(0, 2)}/${sha256(evil)}`, evil)
      const forged = resealed(signed.get(recordName).toString(), ({ outputs, ...rest }) => ({
        ...rest,
        outputs: {
          ...outputs,
          log: { type: 'training-log', kind: 'file', hash: sha256(evil), sizeBytes: 4 },
        },
      }))
      const good = await openBeside(signed, { signingKey: 'ours' })
      expect((await good.store.lookup(keyOf(1))).record).toBeDefined()
      signed.put(recordName, `${forged}${signature}\n`)
      const reader = await openBeside(signed, { signingKey: 'ours' })
      expect((await reader.store.lookup(keyOf(1))).record).toBeUndefined()
      expect(reader.warnings).toEqual([expect.stringContaining('is signed with another key')])
      expectNothingTaken(reader)
      const stranger = await openBeside(signed, { signingKey: 'theirs' })
      expect((await stranger.store.lookup(keyOf(1))).record).toBeUndefined()
    })

    test('one that falls silent is left when the run is interrupted, without a word against it', async () => {
      const place = await open()
      await filled(place)
      const interrupted = new AbortController()
      async function* silence() {
        yield Buffer.from('{')
        interrupted.abort()
        await new Promise(() => {})
      }
      const cache: SharedCache = {
        name: place.cache.name,
        has: (name) => place.cache.has(name),
        write: (name, content) => place.cache.write(name, content),
        read: async (name) => (name.startsWith('blobs/') ? silence() : await place.cache.read(name)),
      }
      const { store, warnings } = await openBeside({ ...place, cache })
      const found = await store.lookup(keyOf(1), { signal: interrupted.signal })
      expect(found).toEqual({ reason: 'no earlier result', damaged: false })
      expect(warnings).toEqual([])
      expect(namesIn(store.layout.tmp)).toEqual([])
    })

    test('one that cannot be reached is told once, and left alone', async () => {
      const place = await open()
      await filled(place)
      place.break()
      const { store, shared, warnings } = await openBeside(place, { write: true })
      for (const seed of [1, 2, 3]) {
        expect((await store.lookup(keyOf(seed))).record).toBeUndefined()
        store.share((await commit(store, seed)).key)
      }
      await shared.settled()
      expect(warnings).toEqual([expect.stringContaining('left alone from here on')])
    })
  })
}

test('a bucket refuses what is not signed with its secret, and nobody is asked without one', async () => {
  const server = await BucketServer.listen()
  const environment = { ...server.environment, AWS_SECRET_ACCESS_KEY: 'a wrong one' }
  const cache = await openSharedCache('s3://results', { write: false, environment })
  await expect(cache.has('x')).rejects.toThrow('403')
  await expect(openSharedCache('s3://results', { write: false, environment: {} })).rejects.toMatchObject({
    details: { code: 'shared-cache' },
  })
  await expect(openSharedCache('s3://', { write: false, environment })).rejects.toMatchObject({
    details: { code: 'shared-cache' },
  })
})
