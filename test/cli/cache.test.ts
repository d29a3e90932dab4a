import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Store } from '../../engine/store/store.ts'
import { GateServer } from './gate-server.ts'
import { TestProject, withEvents } from './test-project.ts'

const workflow = `nodes:
  clean: { uses: trim, in: { text: in.txt } }
  once:  { uses: upper, in: { text: '\${{ nodes.clean.text }}' } }
  both:
    uses: join
    in: { texts: ['\${{ nodes.once.text }}', '\${{ nodes.clean.text }}'] }
    out: { text: both.txt, parts: both }
`

async function finishedProject(): Promise<TestProject> {
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': ' some text ' })
  expect((await project.run('w.yaml')).code).toBe(0)
  return project
}

/** As for a stage that reads it: a view of the folder that `join` has made. */
async function viewParts(project: TestProject): Promise<void> {
  const store = await Store.open(join(project.folder, '.flow'))
  for (const { outputs } of store.records()) {
    if (outputs.parts !== undefined) await store.valuePath(outputs.parts.hash, 'folder')
  }
  await store.close()
}

async function json<T>(project: TestProject, ...args: string[]): Promise<T> {
  const { code, stdout, stderr } = await project.flow('cache', ...args, '--json')
  expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' })
  return JSON.parse(stdout)
}

interface Listed {
  readonly key: string
  readonly stage: string
  readonly nodes: readonly { readonly node: string }[]
  readonly sizeBytes: number
  readonly pins: readonly string[]
}

async function nodesOf(project: TestProject, ...filter: string[]): Promise<(string | undefined)[]> {
  const { results } = await json<{ results: Listed[] }>(project, 'ls', '--sort', 'node', ...filter)
  return results.map(({ nodes }) => nodes[0]?.node)
}

test('ls shows the results by node, stage, age and size', async () => {
  const project = await finishedProject()
  expect(await nodesOf(project)).toEqual(['both', 'clean', 'once'])
  expect(await nodesOf(project, '--node', 'once')).toEqual(['once'])
  expect(await nodesOf(project, '--stage', 'trim')).toEqual(['clean'])
  expect(await nodesOf(project, '--larger-than', '9B')).toEqual(['both'])
  expect(await nodesOf(project, '--older-than', '1d')).toEqual([])
  expect(await nodesOf(project, '--pinned')).toEqual([])
  const { stdout } = await project.flow('cache', 'ls', '--sort', 'size')
  expect(stdout).toMatch(
    /^key +node +stage +made +used +size +pins\n[0-9a-f]{12} +both +join +now +now +37 B\n/,
  )
  expect(stdout).toMatch(/\n3 results, 55 B\n$/)
})

test('du counts bytes with several names once', async () => {
  const project = await finishedProject()
  await viewParts(project)
  type Usage = { parts: Record<string, { files: number; sizeBytes: number }>; total: { sizeBytes: number } }
  const before = await json<Usage>(project, 'du')
  const blobs = project.files('.flow/blobs')
  expect(before.parts.blobs).toEqual({
    files: blobs.length,
    sizeBytes: blobs.reduce((sum, path) => sum + readFileSync(join(project.folder, path)).length, 0),
  })
  // A view is made of links to blobs; only a copy takes space of its own.
  expect(project.files('.flow/views').length).toBeGreaterThan(0)
  expect(before.parts.views).toEqual({ files: 0, sizeBytes: 0 })
  project.write('.flow/views/copy', 'x'.repeat(1000))
  const after = await json<Usage>(project, 'du')
  expect(after.parts.views).toEqual({ files: 1, sizeBytes: 1000 })
  expect(after.total.sizeBytes).toBe(before.total.sizeBytes + 1000)
  expect((await project.flow('cache', 'du')).stdout).toMatch(/\nviews +1\.0 kB +1 /)
})

test('rule 9: verify ends with 1 where something is damaged, and the next run rebuilds it', async () => {
  const project = await finishedProject()
  await viewParts(project)
  expect(await project.flow('cache', 'verify')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^all is whole: 4 blobs \(.*\), 3 records, 1 view\n$/),
    stderr: '',
  })
  const [blob] = project.files('.flow/blobs')
  rmSync(join(project.folder, blob!))
  writeFileSync(join(project.folder, blob!), 'other bytes')
  const damaged = await project.flow('cache', 'verify', '--json')
  expect(damaged.code).toBe(1)
  expect(JSON.parse(damaged.stdout).faults[0]).toEqual({
    what: 'blob',
    path: blob!.slice('.flow/'.length),
    message: 'holds other bytes than its name says',
    quarantined: true,
  })
  expect(existsSync(join(project.folder, blob!))).toBe(false)
  const run = await project.run('w.yaml')
  expect(run.code).toBe(0)
  expect(run.executed.length).toBeGreaterThan(0)
  expect((await project.flow('cache', 'verify')).code).toBe(0)
  expect(project.read('both.txt')).toBe('SOME TEXT+some text')
})

test('a wrong word, unit or order is refused with exit code 2', async () => {
  const project = new TestProject()
  const cases: [string[], RegExp][] = [
    [['verfy'], /error\[unknown-command\][\s\S]*did you mean `flow cache verify`\?/],
    [['ls', '--older-than', '3x'], /--older-than needs a time, not `3x`/],
    [['ls', '--larger-than', '20'], /--larger-than needs a size, not `20`/],
    [['ls', '--sort', 'colour'], /cannot be sorted by `colour`/],
    [['du', '--oder'], /error\[unknown-option\]/],
  ]
  for (const [argv, message] of cases) {
    const { code, stderr } = await project.flow('cache', ...argv)
    expect([argv, code]).toEqual([argv, 2])
    expect(stderr).toMatch(message)
  }
  expect(await project.flow('cache')).toMatchObject({
    code: 2,
    stdout: expect.stringMatching(/^ {2}cache verify /m),
  })
  expect((await project.flow('cache', '--help')).code).toBe(0)
  expect((await project.flow('cache', 'ls', '--help')).stdout).toContain('--older-than 30d')
})

const gated = `nodes:
  clean: { uses: trim, in: { text: in.txt } }
  hold:  { uses: gate, in: { text: '\${{ nodes.clean.text }}' }, with: { name: hold } }
  both:
    uses: join
    in: { texts: ['\${{ nodes.hold.text }}', '\${{ nodes.clean.text }}'] }
    out: { text: both.txt }
`

interface GcReport {
  readonly items: readonly { readonly kind: string; readonly name: string; readonly sizeBytes: number }[]
  readonly sizeBytes: number
  readonly totalBytes: number
  readonly waitsFor: readonly { readonly pid: number }[]
}

test('rule 14: gc --dry-run shows what goes and how much it frees, and touches nothing', async () => {
  const project = await finishedProject()
  await viewParts(project)
  project.write('in.txt', 'other text')
  await project.run('w.yaml')
  const rules = ['--keep-runs', '1', '--older-than', '0s']
  const announced = await json<GcReport>(project, 'gc', ...rules, '--dry-run')
  expect(announced.items).toHaveLength(3)
  expect(await nodesOf(project)).toHaveLength(6)
  const text = await project.flow('cache', 'gc', ...rules, '--dry-run')
  expect(text.stdout).toMatch(/\nresult +[0-9a-f]{12} +both +join +now +[\d.]+ kB\n/)
  expect(text.stdout).toMatch(/\nwould remove 3 items, \d blobs and 1 view: [\d.]+ kB of [\d.]+ kB\n$/)
  const done = await json<GcReport>(project, 'gc', ...rules)
  expect(done.items).toEqual(announced.items)
  expect(done.waitsFor).toEqual([])
  const { total } = await json<{ total: { sizeBytes: number } }>(project, 'du')
  expect(done.totalBytes - total.sizeBytes).toBe(done.sizeBytes)
  expect((await project.flow('cache', 'verify')).code).toBe(0)
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: [] })
})

test('rule 14: pins survive, until they are let go', async () => {
  const project = await finishedProject()
  const { runs } = JSON.parse((await project.flow('status', '--json')).stdout)
  project.write('in.txt', 'other text')
  await project.run('w.yaml')
  expect(await project.flow('cache', 'pin', 'once', runs[0].runId, '--name', 'first once')).toMatchObject({
    code: 0,
    stdout: 'pinned once as first once\n',
  })
  expect((await project.flow('cache', 'pin', 'once', '--name', 'first once')).stderr).toContain(
    'error[pin-exists]',
  )
  expect((await project.flow('cache', 'pin', 'onec')).stderr).toMatch(
    /error\[no-result\][\s\S]*did you mean `once`\?/,
  )
  await json(project, 'gc', '--max-size', '0B')
  expect(await nodesOf(project)).toEqual(['once'])
  expect(await nodesOf(project, '--pinned')).toEqual(['once'])
  project.write('in.txt', ' some text ')
  expect(await project.run('w.yaml')).toMatchObject({
    code: 0,
    executed: ['both', 'clean'],
    reused: ['once'],
  })
  expect((await project.flow('cache', 'unpin', 'first')).stderr).toMatch(/error\[unknown-pin\]/)
  expect((await project.flow('cache', 'unpin', 'first once')).code).toBe(0)
  await json(project, 'gc', '--max-size', '0B')
  expect(await nodesOf(project)).toEqual([])
})

test('rule 14: a collection beside a run takes nothing that the run has looked up', async () => {
  const gate = await GateServer.listen()
  const project = new TestProject({ 'w.yaml': gated, 'in.txt': ' some text ' })
  const first = project.start(['run', '--json', 'w.yaml'], gate.environment)
  ;(await gate.next('hold')).answer('go')
  expect((await first.finished).code).toBe(0)
  project.write('w.yaml', gated.replace('name: hold }', 'name: again }'))
  const running = project.start(['run', '--json', 'w.yaml'], gate.environment)
  const held = await gate.next('again')
  // The run has reused `clean`, and will need it again once the gate is open.
  const { items, waitsFor } = await json<GcReport>(project, 'gc', '--max-size', '0B')
  expect(items.map(({ kind }) => kind)).toEqual(['result', 'result'])
  expect(waitsFor).toEqual([expect.objectContaining({ pid: running.process.pid })])
  expect(await nodesOf(project)).toEqual(['clean'])
  held.answer('go')
  expect(withEvents(await running.finished)).toMatchObject({ code: 0, reused: ['clean'] })
  expect(project.read('both.txt')).toBe('some text+some text')
  expect((await project.flow('cache', 'verify')).code).toBe(0)
})

test('rule 14: the size cap holds by itself, and spares the run that made it necessary', async () => {
  const project = await finishedProject()
  project.write('in.txt', 'other text')
  const run = project.start(['run', '--json', 'w.yaml'], { FLOW_CACHE_MAX_SIZE: '1B' })
  const { code, events, executed } = withEvents(await run.finished)
  expect({ code, executed }).toEqual({ code: 0, executed: ['both', 'clean', 'once'] })
  const warnings = events.filter(({ type }) => type === 'warning').map((event) => JSON.stringify(event))
  expect(warnings).toEqual([
    expect.stringMatching(/over FLOW_CACHE_MAX_SIZE \(1 B\): 3 results used least recently removed/),
    expect.stringMatching(/stays over FLOW_CACHE_MAX_SIZE/),
  ])
  expect(events.at(-1)?.type).toBe('run-finished')
  expect(await nodesOf(project)).toEqual(['both', 'clean', 'once'])
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: [] })
  const wrong = await project.start(['run', 'w.yaml'], { FLOW_CACHE_MAX_SIZE: '20' }).finished
  expect(wrong).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('FLOW_CACHE_MAX_SIZE needs a size'),
  })
})

test('a whole run, exported and imported elsewhere, has nothing to do there', async () => {
  const project = await finishedProject()
  const { runs } = JSON.parse((await project.flow('status', '--json')).stdout)
  const wrote = await project.flow('cache', 'export', 'run.tar', '--run', runs[0].runId)
  expect(wrote).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^wrote 3 results with 4 blobs to run\.tar/),
  })
  expect((await project.flow('cache', 'export', 'run.tar', '--node', 'once')).stderr).toContain(
    'error[file-exists]',
  )
  expect((await project.flow('cache', 'export', 'one.tar', '--node', 'once')).stdout).toMatch(
    /^wrote 1 result with 1 blob /,
  )
  const elsewhere = new TestProject({ 'w.yaml': workflow, 'in.txt': ' some text ' })
  const archive = join(project.folder, 'run.tar')
  expect((await elsewhere.flow('cache', 'import', archive)).stdout).toBe('imported 3 results\n')
  expect((await elsewhere.flow('cache', 'import', archive)).stdout).toBe(
    'imported 0 results; 3 were there already\n',
  )
  expect(await elsewhere.run('w.yaml')).toMatchObject({ code: 0, executed: [] })
  expect(elsewhere.read('both.txt')).toBe('SOME TEXT+some text')
})
