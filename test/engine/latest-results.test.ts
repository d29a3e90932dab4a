import { cpSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { sha256 } from '../../engine/fingerprint/hash.ts'
import type { ContentHash } from '../../engine/identity.ts'
import { Layout } from '../../engine/store/layout.ts'
import { Store } from '../../engine/store/store.ts'
import { adapterFiles, commit, openStore, runOf, temporaryFolder } from './temporary-store.ts'

const place = { file: 'w.yaml', node: 'sft' }
const { key } = runOf(1)

let project: string
let layout: Layout
beforeEach(async () => {
  project = temporaryFolder()
  layout = new Layout(join(project, '.flow'))
  await learn()
})

async function learn(): Promise<void> {
  const store = await openStore(project)
  await commit(store, 1)
  // Neither a record nor a blob is trusted unread before it is older than the clock's granularity.
  await vi.waitFor(async () => {
    const found = await store.lookup(key)
    await store.rememberRun(place, runOf(1), found)
    expect(store.peek(place, key)).toBeDefined()
  })
  await store.close()
}

/** What a process that opens the store now knows without reading the record. */
async function peeked(folder = project) {
  const store = await Store.open(join(folder, '.flow'))
  const record = store.peek(place, key)
  const looked = await store.lookup(key)
  await store.close()
  return { record, looked }
}

describe('what the latest runs came to', () => {
  test('is known without reading a record, for that node and that key alone', async () => {
    const { record, looked } = await peeked()
    expect(record).toEqual({ outputs: looked.record?.outputs, durationMs: looked.record?.durationMs })
    const store = await openStore(project)
    expect(store.peek({ ...place, node: 'dpo' }, key)).toBeUndefined()
    expect(store.peek({ ...place, file: 'other.yaml' }, key)).toBeUndefined()
    expect(store.peek(place, runOf(2).key)).toBeUndefined()
    await store.close()
  })

  test('rule 5: a record that was changed in place, its size and mtime kept, is read and found damaged', async () => {
    const path = layout.action(key)
    const { atime, mtime } = statSync(path)
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 4
    writeFileSync(path, bytes)
    utimesSync(path, atime, mtime)
    const { record, looked } = await peeked()
    expect(record).toBeUndefined()
    expect(looked).toMatchObject({ damaged: true })
  })

  test('a record that was made anew meanwhile is read', async () => {
    const store = await openStore(project)
    expect(store.peek(place, key)).toBeDefined()
    const other = await openStore(project)
    await commit(other, 1, { log: 'another log', refresh: true })
    await other.close()
    expect(store.peek(place, key)).toBeUndefined()
    expect((await store.lookup(key)).record?.generation).toBe(2)
    await store.close()
  })

  test('rule 9: a record that is gone, or a blob of it that is gone, cut or altered, is not known', async () => {
    const { looked } = await peeked()
    const blobs = Object.values(looked.record!.outputs).map(({ hash }) => layout.blob(hash))
    blobs.push(layout.blob(sha256(adapterFiles['adapter_config.json']) as ContentHash))
    const harms = [
      () => rmSync(layout.action(key)),
      ...blobs.flatMap((path) => [
        () => rmSync(path),
        () => truncateSync(path, 1),
        () => writeFileSync(path, Buffer.alloc(statSync(path).size, 'x')),
      ]),
    ]
    expect(harms).toHaveLength(10)
    for (const harm of harms) {
      harm()
      const harmed = await peeked()
      expect(harmed.record).toBeUndefined()
      expect(harmed.looked.record).toBeUndefined()
      await learn()
      expect((await peeked()).record).toBeDefined()
    }
  })

  test('of a store that was copied counts for nothing, and the store is as good without it', async () => {
    const copy = join(temporaryFolder(), 'copy')
    cpSync(project, copy, { recursive: true, preserveTimestamps: true })
    const { record, looked } = await peeked(copy)
    expect(record).toBeUndefined()
    expect(looked.record).toBeDefined()
  })

  const path = () => layout.latestResults(place.file)
  test.each<[string, () => void]>([
    ['removed', () => rmSync(path())],
    ['emptied', () => truncateSync(path(), 0)],
    ['cut', () => truncateSync(path(), statSync(path()).size >> 1)],
    [
      'altered',
      () => writeFileSync(path(), readFileSync(path(), 'utf8').replace('"durationMs":', '"durationMs":1')),
    ],
    [
      'a folder',
      () => {
        rmSync(path())
        cpSync(layout.pins, path(), { recursive: true })
      },
    ],
  ])('%s: nothing is known at once, and all is learnt anew', async (_, harm) => {
    harm()
    const { record, looked } = await peeked()
    expect(record).toBeUndefined()
    expect(looked.record).toBeDefined()
  })
})
