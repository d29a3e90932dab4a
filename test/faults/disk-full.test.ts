/** @file The disk fills up: at each of 50 points of a run, in a stage's own process, and under what a run can do without. */
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { FileCall } from './fault-plan.ts'
import { FaultyProject, faultsOfEnd, nodes } from './faulty-project.ts'

const points = 50

/** Evenly spread over all calls that take space. */
function spread(calls: readonly FileCall[]): FileCall[] {
  const taking = calls.filter(({ effect }) => effect === 'create' || effect === 'write')
  return Array.from({ length: points }, (_, index) => taking[Math.floor((index * taking.length) / points)]!)
}

test('rule 8: the disk full from any of 50 points of a run on: a clear error, the store intact, and the next run completes', {
  timeout: 300_000,
}, async () => {
  const project = new FaultyProject()
  project.keep()
  const calls = await project.listCalls()
  const wanted = project.contents()
  let failed = 0
  for (const call of spread(calls)) {
    project.restore()
    const run = await project.fillDisk(call)
    const at = run.met
    expect(at, `${call.name} ${call.path} was called`).toBeDefined()
    expect({ at, faults: faultsOfEnd(project, run, wanted) }).toEqual({ at, faults: [] })
    if (run.code === 0) {
      // All outputs are there: the disk was full for the history, or for the stat cache, which is not worth a word.
      expect(run.events.filter(({ type }) => type === 'warning').length).toBeLessThanOrEqual(1)
    } else {
      failed += 1
      expect(run.code).toBe(1)
      expect(run.stdout).toMatch(/the disk is full: ENOSPC/)
      expect(run.stdout).toMatch(/free some space and run again/)
    }
    expect({ at, broken: project.brokenPromises() }).toEqual({ at, broken: [] })
    const recorded = project.recordedKeys()

    const rerun = await project.run('w.yaml')
    expect({ at, code: rerun.code, stderr: rerun.stderr }).toEqual({ at, code: 0, stderr: '' })
    for (const event of rerun.events) {
      if (event.type === 'node-started')
        expect({ at, again: recorded.has(event.key) }).toEqual({ at, again: false })
    }
    expect({ at, contents: project.contents() }).toEqual({ at, contents: wanted })
    expect({ at, faults: project.storeFaults() }).toEqual({ at, faults: [] })
  }
  expect(failed).toBeGreaterThan(points * 0.8)
})

test("a stage's own process that meets a full disk says so without a trace", async () => {
  const project = new FaultyProject()
  project.write(
    'w.yaml',
    'nodes:\n  both: { uses: join, in: { texts: [in.txt] }, out: { text: out/both.txt } }\n',
  )
  project.keep()
  const calls = await project.listCalls()
  project.restore()
  const writing = calls.find((call) => call.process === 'worker' && call.effect === 'write')
  const run = await project.fillDisk(writing!)
  expect(run).toMatchObject({ code: 1, stderr: '' })
  expect(run.events).toContainEqual(
    expect.objectContaining({
      type: 'node-failed',
      failure: expect.objectContaining({
        code: 'disk-full',
        message: expect.stringContaining('the disk is full: ENOSPC'),
      }),
    }),
  )
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: ['both'] })
})

test('where the history or the stat cache cannot be written, the run says so or does without, and its result counts', async () => {
  const project = new FaultyProject()
  project.write('.flow/runs', 'a file where a folder must be')
  mkdirSync(join(project.folder, '.flow/stat-cache/in-the-way'), { recursive: true })
  const run = await project.run('w.yaml')
  expect(run).toMatchObject({ code: 0, stderr: '', executed: nodes })
  expect(run.events).toContainEqual({
    type: 'warning',
    message: expect.stringMatching(/^the history of this run has gaps: /),
  })
  expect(await project.flow('status', 'w.yaml')).toMatchObject({ stderr: '' })
  for (const path of ['.flow/runs', '.flow/stat-cache']) {
    rmSync(join(project.folder, path), { recursive: true })
  }
  const after = await project.run('w.yaml')
  expect(after).toMatchObject({ code: 0, stderr: '', executed: [], reused: nodes })
  expect(after.events.filter(({ type }) => type === 'warning')).toEqual([])
})
