/** @file A store in a temporary project, and the few steps that its tests repeat. */
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { cacheKey, type KeyPreimage } from '../../engine/fingerprint/key.ts'
import type { CacheKey, ContentHash } from '../../engine/identity.ts'
import { type ActionRecord, type CommittedRecord, Store } from '../../engine/store/store.ts'

/** Deleted when the test ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'flow-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export function openStore(project: string): Promise<Store> {
  return Store.open(join(project, '.flow'))
}

export function preimageOf(seed: number): KeyPreimage {
  return {
    schema: 1,
    stage: 'sft',
    code: 'c0de',
    params: { seed },
    inputs: { data: 'da7a'.repeat(16) as ContentHash },
    outputs: { log: 'training-log', adapter: 'adapter' },
    environment: {},
  }
}

export function runOf(seed: number): { readonly key: CacheKey; readonly preimage: KeyPreimage } {
  const preimage = preimageOf(seed)
  return { key: cacheKey(preimage), preimage }
}

export interface CommitContent {
  readonly log?: string
  /** Path -> text. */
  readonly adapter?: Readonly<Record<string, string>>
  readonly refresh?: boolean
}

export const adapterFiles = {
  'adapter_config.json': '{"r":8}',
  'weights/adapter_model.safetensors': 'weights'.repeat(1000),
}

/** Commits a file output `log` and a folder output `adapter` under the key of `preimageOf(seed)`. */
export async function commit(
  store: Store,
  seed: number,
  content: CommitContent = {},
): Promise<CommittedRecord> {
  const { log = `{"loss":${seed}}\n`, adapter = adapterFiles, refresh = false } = content
  const preimage = preimageOf(seed)
  const attempt = await store.begin(cacheKey(preimage))
  await writeFile(attempt.outputPath('log'), log)
  await writeTree(attempt.outputPath('adapter'), adapter)
  const record = await store.commit(attempt, {
    preimage,
    outputs: { log: { type: 'training-log', kind: 'file' }, adapter: { type: 'adapter', kind: 'folder' } },
    startedAt: new Date(0).toISOString(),
    durationMs: 5,
    device: 'cpu',
    refresh,
  })
  await store.settled()
  return record
}

/** A store with one result, that of seed 1. */
export async function committed(): Promise<{ project: string; store: Store; record: ActionRecord }> {
  const project = temporaryFolder()
  const store = await openStore(project)
  return { project, store, record: await commit(store, 1) }
}

export async function writeTree(root: string, files: Readonly<Record<string, string>>): Promise<void> {
  await mkdir(root, { recursive: true })
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
}
