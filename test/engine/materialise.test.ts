import { existsSync, lstatSync, readFileSync, statSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../engine/fingerprint/hash.ts'
import { listTree } from '../../engine/fingerprint/tree.ts'
import type { ContentHash } from '../../engine/identity.ts'
import { seal } from '../../engine/store/sealed-json.ts'
import type { RecordedOutput, Store } from '../../engine/store/store.ts'
import { commit, openStore, temporaryFolder, writeTree } from './temporary-store.ts'

interface Versions {
  readonly project: string
  readonly store: Store
  readonly file: readonly [RecordedOutput, RecordedOutput]
  readonly folder: readonly [RecordedOutput, RecordedOutput]
}

/** Two values of each kind in a store. */
async function setUp(): Promise<Versions> {
  const project = temporaryFolder()
  const store = await openStore(project)
  const one = await commit(store, 1, { log: 'one', adapter: { a: '1', 'b/c': '2' } })
  const two = await commit(store, 2, { log: 'two', adapter: { a: '1', d: '3' } })
  return {
    project,
    store,
    file: [one.outputs.log!, two.outputs.log!],
    folder: [one.outputs.adapter!, two.outputs.adapter!],
  }
}

const place = (store: Store, { hash, kind }: RecordedOutput, destination: string) =>
  store.materialise(hash, kind, destination)

const notOurs = { fault: { code: 'output-not-ours', severity: 'error' } }

function identity(path: string): readonly bigint[] {
  const { ino, mtimeNs, ctimeNs } = lstatSync(path, { bigint: true })
  return [ino, mtimeNs, ctimeNs]
}

describe('rule 11: materialised outputs', () => {
  test('a file is written, and left alone when it is there already', async () => {
    const { project, store, file } = await setUp()
    const path = join(project, 'data/out.jsonl')
    expect(await place(store, file[0], 'data/out.jsonl')).toEqual({ state: 'written' })
    expect(readFileSync(path, 'utf8')).toBe('one')
    expect(statSync(path).mode & 0o777).toBe(0o644)
    const before = identity(path)
    expect(await place(store, file[0], 'data/out.jsonl')).toEqual({ state: 'unchanged' })
    expect(identity(path)).toEqual(before)
    expect(await readdir(join(project, 'data'))).toEqual(['out.jsonl'])
  })

  test('a folder is replaced, never merged', async () => {
    const { project, store, folder } = await setUp()
    const path = join(project, 'checkpoints/adapter')
    expect(await place(store, folder[0], path)).toEqual({ state: 'written' })
    expect(await store.hashValue(path, 'folder')).toMatchObject({ hash: folder[0].hash })
    expect(await place(store, folder[1], path)).toEqual({ state: 'written' })
    expect((await readdir(path)).sort()).toEqual(['a', 'd'])
    expect(await readdir(join(project, 'checkpoints'))).toEqual(['adapter'])
    const before = identity(path)
    expect(await place(store, folder[1], path)).toEqual({ state: 'unchanged' })
    expect(identity(path)).toEqual(before)
  })

  test('a written file is the user’s: an edit of it does not reach the store', async () => {
    const { project, store, file, folder } = await setUp()
    await place(store, file[0], 'out')
    await place(store, folder[0], 'adapter')
    await writeFile(join(project, 'out'), 'edit')
    await writeFile(join(project, 'adapter/a'), 'edit')
    expect(await store.recheck(file[0].hash, 'file')).toEqual({ whole: true })
    expect(await store.recheck(folder[0].hash, 'folder')).toMatchObject({ reason: 'the view does not exist' })
    expect(await store.hashValue(await store.valuePath(folder[0].hash, 'folder'), 'folder')).toMatchObject({
      hash: folder[0].hash,
    })
  })

  test('what was deleted is written again', async () => {
    const { project, store, file, folder } = await setUp()
    for (const value of [file[0], folder[0]]) {
      await place(store, value, 'out/x')
      await rm(join(project, 'out'), { recursive: true })
      expect(await place(store, value, 'out/x')).toEqual({ state: 'written' })
      await rm(join(project, 'out'), { recursive: true })
    }
  })

  test('a touched but equal file is left alone', async () => {
    const { project, store, file } = await setUp()
    await place(store, file[0], 'out')
    await utimes(join(project, 'out'), 1, 1)
    expect(await place(store, file[0], 'out')).toEqual({ state: 'unchanged' })
    expect(statSync(join(project, 'out')).mtimeMs).toBe(1000)
  })

  test('a file of the user’s is never overwritten, and named', async () => {
    const { project, store, file, folder } = await setUp()
    await writeTree(project, { 'data/mine.jsonl': 'mine', 'mine/notes.txt': 'mine' })
    for (const destination of ['data/mine.jsonl', 'mine']) {
      for (const value of [file[0], folder[0]]) {
        const placed = await place(store, value, destination)
        expect(placed).toMatchObject(notOurs)
        expect(placed.fault?.message).toContain(destination)
        expect(await store.checkDestination(destination)).toMatchObject(notOurs.fault)
      }
    }
    expect(await readFile(join(project, 'data/mine.jsonl'), 'utf8')).toBe('mine')
    expect(await readdir(join(project, 'mine'))).toEqual(['notes.txt'])
    expect((await readdir(project)).sort()).toEqual(['.flow', 'data', 'mine'])
  })

  test('identical content is adopted, and then replaced like any output', async () => {
    const { project, store, file, folder } = await setUp()
    await writeTree(project, { out: 'one', 'adapter/a': '1', 'adapter/b/c': '2' })
    expect(await store.checkDestination('out')).toMatchObject(notOurs.fault)
    expect(await store.checkDestination('out', file[0])).toBeUndefined()
    for (const [destination, versions] of [
      ['out', file],
      ['adapter', folder],
    ] as const) {
      expect(await place(store, versions[0], destination)).toEqual({ state: 'unchanged' })
      expect(await place(store, versions[1], destination)).toEqual({ state: 'written' })
    }
  })

  test.each<[string, (project: string) => Promise<unknown>]>([
    ['an edited file', (project) => writeFile(join(project, 'out'), 'ONE')],
    [
      'an edited file with its old mtime',
      async (project) => {
        const { mtimeMs } = statSync(join(project, 'out'))
        await writeFile(join(project, 'out'), 'ONE')
        await utimes(join(project, 'out'), mtimeMs / 1000, mtimeMs / 1000)
      },
    ],
    [
      'a folder put in its place',
      async (project) => {
        await rm(join(project, 'out'))
        await mkdir(join(project, 'out'))
      },
    ],
    [
      'a link put in its place',
      async (project) => {
        await rename(join(project, 'out'), join(project, 'elsewhere'))
        await symlink('elsewhere', join(project, 'out'))
      },
    ],
  ])('%s is the user’s', async (_what, change) => {
    const { project, store, file } = await setUp()
    await place(store, file[0], 'out')
    expect(await store.checkDestination('out')).toBeUndefined()
    await change(project)
    const before = identity(join(project, 'out'))
    expect(await store.checkDestination('out')).toMatchObject(notOurs.fault)
    expect(await place(store, file[1], 'out')).toMatchObject(notOurs)
    expect(identity(join(project, 'out'))).toEqual(before)
  })

  test.each<[string, (adapter: string) => Promise<unknown>]>([
    ['an added file', (adapter) => writeFile(join(adapter, 'notes.txt'), 'mine')],
    ['an added empty folder', (adapter) => mkdir(join(adapter, 'mine'))],
    ['an edited file', (adapter) => writeFile(join(adapter, 'b/c'), 'X')],
    ['a removed file', (adapter) => rm(join(adapter, 'a'))],
    ['an added link', (adapter) => symlink('nowhere', join(adapter, 'mine'))],
    ['a changed mode', (adapter) => chmod(join(adapter, 'a'), 0o755)],
  ])('%s makes a folder the user’s', async (_what, change) => {
    const { project, store, folder } = await setUp()
    await place(store, folder[0], 'adapter')
    await change(join(project, 'adapter'))
    expect(await place(store, folder[1], 'adapter')).toMatchObject(notOurs)
    expect(existsSync(join(project, 'adapter/d'))).toBe(false)
  })

  test('the ledger goes by the project: both may be moved together', async () => {
    const { project, store, file } = await setUp()
    await place(store, file[0], 'out')
    await store.close()
    const moved = join(temporaryFolder(), 'moved')
    await rename(project, moved)
    expect(await place(await openStore(moved), file[1], 'out')).toEqual({ state: 'written' })
  })

  test('a damaged ledger makes no file ours', async () => {
    const { store, file } = await setUp()
    await place(store, file[0], 'out')
    for (const name of await readdir(store.layout.ledger))
      await writeFile(join(store.layout.ledger, name), '{')
    expect(await place(store, file[1], 'out')).toMatchObject(notOurs)
    expect(await place(store, file[0], 'out')).toEqual({ state: 'unchanged' })
    expect(await place(store, file[1], 'out')).toEqual({ state: 'written' })
  })

  test('a destination that cannot be written is a fault, not a crash', async () => {
    const { project, store, file } = await setUp()
    await writeFile(join(project, 'blocker'), '')
    expect(await place(store, file[0], 'blocker/out')).toMatchObject({
      fault: { code: 'output-not-writable' },
    })
  })

  test('one destination asked for by many at once ends whole', async () => {
    const { project, store, folder } = await setUp()
    const other = await openStore(project)
    const placed = await Promise.all(
      [0, 1, 0, 1, 0, 1].map((version, index) =>
        place(index < 3 ? store : other, folder[version as 0 | 1], 'adapter'),
      ),
    )
    expect(placed.every(({ fault }) => fault === undefined)).toBe(true)
    const { hash } = await store.hashValue('adapter', 'folder')
    expect([folder[0].hash, folder[1].hash]).toContain(hash)
    expect((await readdir(project)).sort()).toEqual(['.flow', 'adapter'])
  })
})

describe('rule 11: a crash in the middle of materialising', () => {
  /** The ledger as it stands while the second version replaces the first. */
  async function crashedWhileReplacing(kind: 'file' | 'folder') {
    const versions = await setUp()
    const [first, second] = versions[kind]
    await place(versions.store, first, 'out')
    const temporaries = ['.out.new-x', '.out.old-x']
    const entry = {
      destination: 'out',
      value: { kind, hash: second.hash },
      writing: { previous: { kind, hash: first.hash }, temporaries },
    }
    await writeFile(versions.store.layout.ledgerEntry('out'), seal(entry))
    return { ...versions, first, second }
  }

  test.each(['file', 'folder'] as const)('before the copy was done: %s', async (kind) => {
    const { project, store, second } = await crashedWhileReplacing(kind)
    await writeTree(join(project, '.out.new-x'), { half: '' })
    expect(await store.checkDestination('out')).toBeUndefined()
    expect(await place(store, second, 'out')).toEqual({ state: 'written' })
    expect(await store.hashValue('out', kind)).toMatchObject({ hash: second.hash })
    expect((await readdir(project)).sort()).toEqual(['.flow', 'out'])
  })

  test('between the two renames of a folder', async () => {
    const { project, store, first, second } = await crashedWhileReplacing('folder')
    await rename(join(project, 'out'), join(project, '.out.old-x'))
    await writeTree(join(project, '.out.new-x'), { a: '1', d: '3' })
    expect(await place(store, second, 'out')).toEqual({ state: 'written' })
    expect(await store.hashValue('out', 'folder')).toMatchObject({ hash: second.hash })
    expect((await readdir(project)).sort()).toEqual(['.flow', 'out'])
    expect(await place(store, first, 'out')).toEqual({ state: 'written' })
  })

  test.each(['file', 'folder'] as const)('after the last rename: %s', async (kind) => {
    const { project, store, first, second } = await crashedWhileReplacing(kind)
    await rm(join(project, 'out'), { recursive: true })
    await writeTree(project, kind === 'file' ? { out: 'two' } : { 'out/a': '1', 'out/d': '3' })
    expect(await place(store, first, 'out')).toEqual({ state: 'written' })
    expect(await place(store, second, 'out')).toEqual({ state: 'written' })
  })

  test('what the user put there after the crash is still the user’s', async () => {
    const { project, store, second } = await crashedWhileReplacing('file')
    await writeFile(join(project, 'out'), 'mine')
    expect(await place(store, second, 'out')).toMatchObject(notOurs)
    expect(readFileSync(join(project, 'out'), 'utf8')).toBe('mine')
  })
})

test('the hash of a folder output is that of its listing', async () => {
  const { store, folder } = await setUp()
  const listing = listTree([
    { kind: 'file', path: 'a', executable: false, hash: sha256('1') as ContentHash, sizeBytes: 1 },
    { kind: 'folder', path: 'b' },
    { kind: 'file', path: 'b/c', executable: false, hash: sha256('2') as ContentHash, sizeBytes: 1 },
  ])
  expect(folder[0].hash).toBe(listing.hash)
  expect(readFileSync(store.layout.blob(listing.hash), 'utf8')).toBe(listing.text)
})
