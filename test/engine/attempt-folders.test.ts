/** @file The folders in which stages write serve one attempt after another, and are empty each time. */
import { existsSync, readdirSync, statSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { cacheKey } from '../../engine/fingerprint/key.ts'
import type { Attempt, Store } from '../../engine/store/store.ts'
import { openStore, preimageOf, temporaryFolder } from './temporary-store.ts'

async function begin(store: Store, seed: number): Promise<Attempt> {
  const attempt = await store.begin(cacheKey(preimageOf(seed)))
  await writeFile(attempt.outputPath('log'), `${seed}\n`)
  return attempt
}

async function finish(store: Store, attempt: Attempt, seed: number): Promise<void> {
  await store.commit(attempt, {
    preimage: preimageOf(seed),
    outputs: { log: { type: 'training-log', kind: 'file' } },
    startedAt: new Date(0).toISOString(),
    durationMs: 5,
  })
}

const inode = (path: string) => statSync(path).ino

test('rule 10: a folder that a stage has left empty serves the next attempt, under another name', async () => {
  const store = await openStore(temporaryFolder())
  const first = await begin(store, 1)
  const own = dirname(first.outputPath('log'))
  const inodes = new Set([inode(own), inode(first.folder)])
  await finish(store, first, 1)
  const second = await begin(store, 2)
  expect(existsSync(own)).toBe(false)
  expect(inodes).toContain(inode(second.folder))
  expect(readdirSync(second.folder)).toEqual(['output-log'])
  expect(readdirSync(dirname(second.outputPath('log')))).toEqual(['value'])
  await finish(store, second, 2)
  await store.settled()
  expect(readdirSync(store.layout.attempts)).toEqual([])
  expect(readdirSync(store.layout.tmp)).toEqual([])
})

test('rule 10: what a stage leaves beside its outputs goes with its attempt', async () => {
  const store = await openStore(temporaryFolder())
  const first = await begin(store, 1)
  await writeFile(join(dirname(first.outputPath('log')), 'rest'), 'scratch')
  await mkdir(join(first.folder, 'more'))
  await finish(store, first, 1)
  expect(readdirSync(store.layout.attempts)).toEqual([])
  const second = await begin(store, 2)
  expect(readdirSync(second.folder)).toEqual(['output-log'])
  expect(readdirSync(dirname(second.outputPath('log')))).toEqual(['value'])
})
