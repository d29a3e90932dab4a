/** @file Faults that users of other engines have met, each told to ours. */
import { rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { FaultyProject, nodes } from './faulty-project.ts'

/** Green, and out/ as the undisturbed run left it. */
async function expectGreen(
  project: FaultyProject,
  wanted: Record<string, string>,
  executed: readonly string[],
) {
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, stderr: '', executed })
  expect(project.contents()).toEqual(wanted)
  expect(project.storeFaults()).toEqual([])
}

async function finishedProject(): Promise<{ project: FaultyProject; wanted: Record<string, string> }> {
  const project = new FaultyProject()
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: nodes })
  return { project, wanted: project.contents() }
}

// wireit 0.14: the folder of the cache entry emptied, the output deleted, and the script is reported as successful.
test('rule 9: a cache that was emptied under its records is no result: the nodes run again', async () => {
  const { project, wanted } = await finishedProject()
  for (const path of project.files('.flow/blobs')) truncateSync(join(project.folder, path), 0)
  for (const name of ['clean.txt', 'count.txt', 'list.txt', 'tree']) {
    rmSync(join(project.folder, 'out', name), { recursive: true })
  }
  await expectGreen(project, wanted, nodes)
  for (const path of project.files('.flow/blobs')) rmSync(join(project.folder, path))
  await expectGreen(project, wanted, nodes)
})

// vercel/turborepo #10951: a restored folder keeps the files of the result that it replaces.
test('a reused folder replaces the one before it, file by file', async () => {
  const project = new FaultyProject()
  project.write('in.txt', 'one two')
  await project.run('w.yaml')
  const two = project.contents()
  project.write('in.txt', 'one two three')
  await project.run('w.yaml')
  expect(project.contents()).toHaveProperty(['out/tree/nested/2.txt'], 'three')
  project.write('in.txt', 'one two')
  await expectGreen(project, two, [])
})

// vercel/turborepo #4137: outputs that were deleted are taken to be there since they "have not changed".
test('outputs that were deleted are put back without running anything, and half a folder is never green', async () => {
  const { project, wanted } = await finishedProject()
  rmSync(join(project.folder, 'out/tree'), { recursive: true })
  rmSync(join(project.folder, 'out/list.txt'))
  await expectGreen(project, wanted, [])
  rmSync(join(project.folder, 'out/tree/nested/1.txt'))
  const run = await project.run('w.yaml')
  expect(run.code).toBe(2)
  expect(run.stdout).toContain('output path out/tree was changed since Flow wrote it')
})

// vercel/turborepo #4566, treeverse/dvc #1326: what was added to an output folder is merged with, or deleted.
test("a file of the user's in an output folder is neither merged with nor deleted: the run stops and names the folder", async () => {
  const { project } = await finishedProject()
  project.write('out/tree/mine.txt', 'mine')
  project.write('in.txt', 'other words')
  const before = project.contents()
  const run = await project.run('w.yaml')
  expect(run.code).toBe(2)
  expect(run.stdout).toContain('out/tree')
  expect(project.contents()).toEqual(before)
})

// treeverse/dvc #2027: an output that was edited is removed by the next run of its stage.
test('an output that was edited is neither overwritten nor removed when its node would run again', async () => {
  const { project } = await finishedProject()
  project.write('out/list.txt', 'edited by hand')
  project.write('in.txt', 'other words')
  const run = await project.run('w.yaml')
  expect(run.code).toBe(2)
  expect(run.stdout).toContain('out/list.txt')
  expect(project.read('out/list.txt')).toBe('edited by hand')
})

// treeverse/dvc #2797 and #7615: a run that was ended leaves a lock behind, or half of one, and no command works any more.
test('rule 16: a run that was killed while it held locks keeps nobody waiting', async () => {
  const { project, wanted } = await finishedProject()
  project.write('in.txt', ' other words ')
  project.keep()
  project.restore()
  const calls = await project.listCalls()
  const locks = calls.filter(
    ({ name, place }) => name === 'link' && (place === 'locks' || place === 'leases'),
  )
  expect(locks.length).toBeGreaterThan(0)
  const first = locks[0]!
  project.restore()
  expect(await project.attack(first, 'kill-after')).toMatchObject({ code: null })
  project.write('in.txt', wanted['in.txt']!)
  await expectGreen(project, wanted, [])
})

// Engines that remove a stage's outputs before they run it have none when it is ended.
test('a run that is killed while a stage writes leaves the earlier outputs as they were', async () => {
  const { project, wanted } = await finishedProject()
  project.write('in.txt', ' other words ')
  project.keep()
  project.restore()
  const calls = await project.listCalls()
  const writing = calls.find((call) => call.effect === 'write' && call.path.includes('/output-'))
  project.restore()
  expect(await project.attack(writing!, 'torn-kill')).toMatchObject({ code: null })
  expect(project.contents()).toEqual({ ...wanted, 'in.txt': ' other words ' })
})

test('a reused program is one that can be run, and a reused file is not', async () => {
  const { project } = await finishedProject()
  rmSync(join(project.folder, 'out/tree'), { recursive: true })
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: [] })
  const modeOf = (path: string) => statSync(join(project.folder, path)).mode & 0o777
  expect(modeOf('out/tree/run.sh')).toBe(0o755)
  expect(modeOf('out/tree/nested/0.txt')).toBe(0o644)
})
