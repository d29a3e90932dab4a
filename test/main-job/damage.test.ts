/**
 * @file Every blob that the main job leaves in the store is damaged, then deleted, one at a time: the next run notices,
 * executes the nodes that made it, and all is as it was. Since they write the same bytes again, nothing after them runs.
 */
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { MainJob, nodes, outputHashes } from './main-job.ts'

const job = new MainJob({}, 8)
let wanted: { readonly values: Record<string, string>; readonly files: object; readonly blobs: object }

beforeAll(async () => {
  const run = await job.run()
  expect(run).toMatchObject({ code: 0, stderr: '', executed: nodes })
  wanted = { values: outputHashes(run), files: job.outputs(), blobs: job.blobDigests() }
}, 180_000)
afterAll(() => job.remove())

test('the chain leaves a blob for every file that a node writes', () => {
  // Four adapters of two files, listed, of which the settings are one blob; four logs; four metrics with replies; ...
  expect(job.blobs().length).toBeGreaterThanOrEqual(20)
})

/** In the middle of the file, whose size stays; an empty one (no verdict was legible) gets a byte. */
function flipOneByte(path: string): void {
  const bytes = readFileSync(path)
  const middle = bytes.length >> 1
  const flipped = (bytes[middle] ?? 0) ^ 1
  chmodSync(path, 0o644)
  writeFileSync(
    path,
    Buffer.concat([bytes.subarray(0, middle), Buffer.of(flipped), bytes.subarray(middle + 1)]),
  )
  chmodSync(path, 0o444)
}

describe.each([
  ['damaged', flipOneByte],
  ['deleted', rmSync],
] as const)('every blob %s', (_, harm) => {
  test('is noticed and made again', async () => {
    const remade = new Set<string>()
    for (const blob of job.blobs()) {
      harm(join(job.folder, blob))
      const run = await job.run()
      expect({ blob, code: run.code, stderr: run.stderr, last: run.events.at(-1) }).toMatchObject({
        blob,
        code: 0,
        stderr: '',
        last: { type: 'run-finished', ok: true },
      })
      expect({ blob, executed: run.executed.length > 0 }).toEqual({ blob, executed: true })
      const reasons = run.events.flatMap((event) => (event.type === 'node-started' ? [event.reason] : []))
      for (const reason of reasons) expect(reason).toMatch(/^output .* in the store/)
      expect({ blob, values: outputHashes(run) }).toEqual({ blob, values: wanted.values })
      expect({ blob, blobs: job.blobDigests() }).toEqual({ blob, blobs: wanted.blobs })
      expect({ blob, files: job.outputs() }).toEqual({ blob, files: wanted.files })
      for (const node of run.executed) remade.add(node)
    }
    // A node whose every byte another one writes, too, is mended by that one: equal content is one blob.
    const values = Object.entries(wanted.values)
    const isOf =
      (node: string) =>
      ([name]: readonly [string, string]) =>
        name.startsWith(`${node}.`)
    const mended = new Set([...remade].flatMap((node) => values.filter(isOf(node)).map(([, hash]) => hash)))
    for (const node of nodes) {
      const hashes = values.filter(isOf(node)).map(([, hash]) => hash)
      expect({ node, mended: hashes.every((hash) => mended.has(hash)) }).toEqual({ node, mended: true })
    }
    expect(remade.size).toBeGreaterThan(nodes.length / 2)
    expect(await job.run()).toMatchObject({ code: 0, executed: [], reused: nodes })
  }, 300_000)
})
