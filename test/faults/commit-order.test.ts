/** @file In which order a commit writes: what a power cut leaves is a result with all of its bytes, or none. */
import { expect, test } from 'vitest'
import { type ActionRecord, Store } from '../../engine/store/store.ts'
import { Trees } from '../../engine/store/trees.ts'
import type { FileCall } from './fault-plan.ts'
import { FaultyProject, nodes } from './faulty-project.ts'

test('rule 8: bytes are synced before they get their name, and names before a record gets its own', async () => {
  const project = new FaultyProject()
  const calls = (await project.listCalls()).filter(({ process }) => process === 'engine')
  const firstAfter = (from: number, name: FileCall['name'], path: string) =>
    calls.findIndex((call, index) => index > from && call.name === name && call.path === path)
  const latestBefore = (to: number, fits: (call: FileCall) => boolean) =>
    calls.findLastIndex((call, index) => index < to && fits(call))

  const store = await Store.open(`${project.folder}/.flow`)
  const trees = new Trees(store.parts.blobs)
  const blobsOf = ({ outputs }: ActionRecord) =>
    Object.values(outputs).flatMap(({ hash, kind }) => {
      const files = kind === 'folder' ? trees.read(hash).filter((entry) => entry.kind === 'file') : []
      return [hash, ...files.map((file) => file.hash)]
    })
  const records = [...store.records()]
  await store.close()
  expect(records.length).toBe(nodes.length)
  for (const record of records) {
    const named = firstAfter(-1, 'link', `.flow/actions/${record.key.slice(0, 2)}/${record.key}.json`)
    const written = latestBefore(named, ({ name, place }) => name === 'writeFile' && place === 'tmp')
    const draft = calls[written]?.path ?? ''
    const draftSynced = firstAfter(written, 'sync', draft)
    expect([written, draftSynced, named]).toEqual([written, draftSynced, named].sort((a, b) => a - b))
    expect(draftSynced).toBeGreaterThan(-1)
    for (const hash of blobsOf(record)) {
      const folder = `.flow/blobs/${hash.slice(0, 2)}`
      const placed = firstAfter(-1, 'rename', `${folder}/${hash}`)
      // The step before takes the file its write permission.
      const source = calls[latestBefore(placed, ({ name }) => name === 'chmod')]?.path ?? ''
      const steps = [firstAfter(-1, 'sync', source), placed, firstAfter(placed, 'sync', folder), named]
      expect(steps).not.toContain(-1)
      expect(steps).toEqual([...steps].sort((a, b) => a - b))
    }
  }
})
