/** @file Which outlines a store keeps, and for how long. */
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sha256 } from '../../engine/fingerprint/hash.ts'
import type { ContentHash } from '../../engine/identity.ts'
import { openStore, temporaryFolder } from './temporary-store.ts'

describe('outlines', () => {
  test('are kept of what was there, and of nothing else', async () => {
    const project = temporaryFolder()
    const store = await openStore(project)
    const path = join(project, 'rows.json')
    await writeFile(path, '[1,2]')
    const { hash } = await store.hashValue('rows.json', 'file')
    const other = 'f'.repeat(64) as ContentHash
    await store.rememberOutline(other, path)
    expect(await store.outline(other)).toBeUndefined()
    await store.rememberOutline(hash, path)
    await rm(path)
    expect(await store.outline(hash)).toMatchObject({
      kind: 'rows',
      digests: [expect.any(String), expect.any(String)],
    })
  })

  test('of too many rows tell the size alone, and a damaged one tells nothing', async () => {
    const project = temporaryFolder()
    const store = await openStore(project)
    const path = join(project, 'rows.json')
    await writeFile(path, JSON.stringify(Array.from({ length: 20_001 }, (_, row) => row)))
    const { hash, sizeBytes } = await store.hashValue('rows.json', 'file')
    await store.rememberOutline(hash, path)
    expect(await store.outline(hash)).toEqual({ kind: 'bytes', sizeBytes })
    await writeFile(store.layout.outline(hash), '{"kind":"bytes"}')
    expect(await store.outline(hash)).toBeUndefined()
  })

  test('are few', async () => {
    const project = temporaryFolder()
    const store = await openStore(project)
    for (let index = 0; index < 520; index++) {
      const path = join(project, `${index}.txt`)
      await writeFile(path, String(index))
      await store.rememberOutline(sha256(String(index)) as ContentHash, path)
    }
    await store.close()
    expect(await readdir(store.layout.outlines)).toHaveLength(512)
  })
})
