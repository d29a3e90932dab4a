import { chmod, mkdir, rename, symlink, utimes, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { StatCache } from '../../engine/fingerprint/stat-cache.ts'
import { listTree, parseTree, type TreeEntry } from '../../engine/fingerprint/tree.ts'
import { hashTree, hashValue } from '../../engine/fingerprint/value.ts'
import type { ContentHash } from '../../engine/identity.ts'
import { temporaryFolder, writeTree } from './temporary-store.ts'

const hashOf = async (root: string): Promise<string> =>
  (await hashValue(root, 'folder', new StatCache(join(temporaryFolder(), 'cache')))).hash

async function folderWith(files: Readonly<Record<string, string>>): Promise<string> {
  const root = join(temporaryFolder(), 'tree')
  await writeTree(root, files)
  return root
}

describe('rule 4: a folder hashes as a sorted tree', () => {
  test('never changes silently: golden', async () => {
    const root = await folderWith({
      'a/b.txt': 'hello\n',
      'a.txt': '',
      'run.sh': '#!/bin/sh\n',
      'ü "quoted"\n': 'x',
    })
    await chmod(join(root, 'run.sh'), 0o755)
    await mkdir(join(root, 'empty'))
    const listing = await hashTree(root, new StatCache(join(temporaryFolder(), 'cache')))
    expect(listing.text).toBe(
      [
        'flow-tree 1',
        'folder "a"',
        'file e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 0 "a.txt"',
        'file 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03 6 "a/b.txt"',
        'folder "empty"',
        'program a8076d3d28d21e02012b20eaf7dbf75409a6277134439025f282e368e3305abf 10 "run.sh"',
        'file 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 1 "ü \\"quoted\\"\\n"',
        '',
      ].join('\n'),
    )
    expect(listing.hash).toBe('10bfe9a41028e62a838365e24cb82aaa8a81709da526db71c13d0d722d64a941')
    expect(listing.sizeBytes).toBe(17)
    expect(await hashOf(await folderWith({}))).toBe(
      '21cda4ca33ed5c98a1d07ee68f1ebeb644f81c58d4ee39e8244af7e1059d75eb',
    )
  })

  test('does not depend on times, place or the order of creation', async () => {
    const root = await folderWith({ b: '2', a: '1' })
    const other = await folderWith({ a: '1', b: '2' })
    await utimes(join(other, 'a'), 1, 1)
    expect(await hashOf(root)).toBe(await hashOf(other))
    await rename(other, `${other}-moved`)
    expect(await hashOf(root)).toBe(await hashOf(`${other}-moved`))
  })

  test.each<[string, (root: string) => Promise<unknown>]>([
    ['a byte', (root) => writeFile(join(root, 'a'), 'X')],
    ['a line ending', (root) => writeFile(join(root, 'a'), '1\r\n')],
    ['the exec bit', (root) => chmod(join(root, 'a'), 0o755)],
    ['a name', (root) => rename(join(root, 'a'), join(root, 'A'))],
    ['an empty folder', (root) => mkdir(join(root, 'empty'))],
    ['an empty file', (root) => writeFile(join(root, 'empty'), '')],
  ])('depends on %s', async (_what, change) => {
    const root = await folderWith({ a: '1\n', b: '2' })
    const before = await hashOf(root)
    await change(root)
    expect(await hashOf(root)).not.toBe(before)
  })

  test('sorts by the bytes of the path', () => {
    const entries = ['b', 'a/c', 'a', 'a.', '\u{10000}', '\ue000', 'Z'].map(
      (path): TreeEntry => ({ kind: 'folder', path }),
    )
    const paths = listTree(entries).entries.map(({ path }) => path)
    expect(paths).toEqual(['Z', 'a', 'a.', 'a/c', 'b', '\ue000', '\u{10000}'])
    expect(listTree(entries.toReversed()).hash).toBe(listTree(entries).hash)
  })

  test('a listing reads back, and rubbish does not', () => {
    const hash = 'a'.repeat(64) as ContentHash
    const listing = listTree([
      { kind: 'folder', path: 'a b' },
      { kind: 'file', path: 'a b/"\n\\', executable: true, hash, sizeBytes: 7 },
    ])
    expect(parseTree(listing.text)).toEqual(listing.entries)
    for (const text of ['', 'flow-tree 2\n', listing.text.slice(0, -1), `${listing.text}x\n`]) {
      expect(parseTree(text)).toBeUndefined()
    }
    for (const path of ['../x', '/x', 'a/../../x', 'a//b', '.', '']) {
      expect(parseTree(`flow-tree 1\nfolder ${JSON.stringify(path)}\n`)).toBeUndefined()
    }
  })

  test('symbolic links count as what they lead to', async () => {
    const root = await folderWith({ 'a/b': '1' })
    await symlink('a/b', join(root, 'file'))
    await symlink('a', join(root, 'folder'))
    expect(await hashOf(root)).toBe(
      await hashOf(await folderWith({ 'a/b': '1', file: '1', 'folder/b': '1' })),
    )
  })

  test('refuses what has no content, and names it', async () => {
    const dangling = await folderWith({ a: '1' })
    await symlink('nowhere', join(dangling, 'link'))
    await expect(hashOf(dangling)).rejects.toThrow('link in')
    const cyclic = await folderWith({ 'a/b': '1' })
    await symlink('..', join(cyclic, 'a/up'))
    await expect(hashOf(cyclic)).rejects.toMatchObject({ details: { code: 'unhashable-entry' } })
    const withSocket = await folderWith({})
    const server = createServer()
    await new Promise<void>((done) => server.listen(join(withSocket, 's'), done))
    await expect(hashOf(withSocket)).rejects.toThrow('neither a file nor a folder')
    await new Promise((done) => server.close(done))
  })

  test.runIf(process.platform === 'linux')('refuses names that are not UTF-8', async () => {
    const root = await folderWith({})
    await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]), '')
    await expect(hashOf(root)).rejects.toThrow('not UTF-8')
  })

  test('a missing value and one of the wrong kind are faults', async () => {
    const root = await folderWith({ a: '1' })
    const cache = new StatCache(join(temporaryFolder(), 'cache'))
    await expect(hashValue(join(root, 'x'), 'file', cache)).rejects.toMatchObject({
      details: { code: 'value-missing' },
    })
    await expect(hashValue(root, 'file', cache)).rejects.toMatchObject({ details: { code: 'value-kind' } })
    await expect(hashValue(join(root, 'a'), 'folder', cache)).rejects.toThrow('a file, not a folder')
  })
})
