import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { BucketServer } from '../engine/bucket-server.ts'
import { TestProject, withEvents } from './test-project.ts'

const workflow = `nodes:
  clean: { uses: trim, in: { text: in.txt } }
  both:
    uses: join
    in: { texts: ['\${{ nodes.clean.text }}'] }
    out: { text: both.txt, parts: both }
`
const files = { 'w.yaml': workflow, 'in.txt': ' some text ' }

function sharedFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'flow-shared-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

test('rule 9: what one project has written to a shared cache, another reuses, and its plan says so', async () => {
  const shared = sharedFolder()
  const here = new TestProject(files)
  expect(await here.run('w.yaml', '--shared-cache', shared)).toMatchObject({
    code: 0,
    executed: ['both', 'clean'],
  })
  expect(readdirSync(shared)).toEqual([])
  await here.run('w.yaml', '--refresh', '--shared-cache', shared, '--shared-cache-write')

  const there = new TestProject(files)
  const plan = await there.flow('plan', 'w.yaml', '--shared-cache', shared)
  expect(plan).toMatchObject({ code: 0, stderr: '' })
  expect(plan.stdout).toMatch(
    /clean +trim +reuse +in the shared cache\nboth +join +reuse +in the shared cache\n/,
  )
  const run = withEvents(
    await there.start(['run', '--json', 'w.yaml'], { FLOW_SHARED_CACHE: shared }).finished,
  )
  expect(run).toMatchObject({ code: 0, executed: [], reused: ['both', 'clean'] })
  const reasons = run.events.map((event) => (event.type === 'node-finished' ? event.reason : undefined))
  expect(reasons.filter((reason) => reason !== undefined)).toEqual([
    'from the shared cache',
    'from the shared cache',
  ])
  expect(there.read('both.txt')).toBe('some text')
  expect((await there.flow('cache', 'verify')).code).toBe(0)
})

test('rule 9: a poisoned entry is refused and told, and its node runs', async () => {
  const shared = sharedFolder()
  const here = new TestProject(files)
  await here.run('w.yaml', '--shared-cache', shared, '--shared-cache-write')
  for (const path of readdirSync(join(shared, 'blobs'), { recursive: true, encoding: 'utf8' })) {
    const blob = join(shared, 'blobs', path)
    if (path.length > 64 && readFileSync(blob, 'utf8') === 'some text') writeFileSync(blob, 'evil text')
  }
  const there = new TestProject(files)
  const run = await there.run('w.yaml', '--shared-cache', shared)
  // What `clean` then writes is what the poisoned blob should have been: `both`, which has it too, is taken.
  expect(run).toMatchObject({ code: 0, executed: ['clean'], reused: ['both'] })
  const warnings = run.events.flatMap((event) => (event.type === 'warning' ? [event.message] : []))
  expect(warnings).toEqual([
    expect.stringMatching(/refused what the shared cache .* offers: .* holds other bytes/),
  ])
  expect(there.read('both.txt')).toBe('some text')
})

test('a bucket; the signing key is kept from stages', async () => {
  const server = await BucketServer.listen()
  const environment = {
    ...server.environment,
    FLOW_SHARED_CACHE: 's3://results/team',
    FLOW_SHARED_CACHE_KEY: 'the key of the team',
  }
  const here = new TestProject(files)
  here.write(
    'stages/trim/index.ts',
    here
      .read('stages/trim/index.ts')
      .replace(
        /run\(.*\{\n/,
        (line) =>
          `${line}    if (process.env.FLOW_SHARED_CACHE_KEY !== undefined) throw new Error('the key is to be seen')\n`,
      ),
  )
  const first = await here.start(['run', '--json', 'w.yaml', '--shared-cache-write'], environment).finished
  expect(withEvents(first)).toMatchObject({ code: 0, executed: ['both', 'clean'] })
  expect([...server.objects.keys()].every((name) => name.startsWith('/results/team/'))).toBe(true)
  rmSync(join(here.folder, '.flow'), { recursive: true })
  const second = await here.start(['run', '--json', 'w.yaml'], environment).finished
  expect(withEvents(second)).toMatchObject({ code: 0, executed: [], reused: ['both', 'clean'] })
})

test('a place that is none, and one that cannot be reached', async () => {
  const project = new TestProject(files)
  for (const args of [
    ['--shared-cache', 'http://here'],
    ['--shared-cache', 's3://'],
    ['--shared-cache-write'],
  ]) {
    const refused = await project.flow('run', 'w.yaml', ...args)
    expect({ args, code: refused.code }).toEqual({ args, code: 2 })
    expect(refused.stderr).toContain('error[shared-cache]')
  }
  const run = await project.run('w.yaml', '--shared-cache', 'not/there')
  expect(run).toMatchObject({ code: 0, executed: ['both', 'clean'] })
  expect(run.events.filter(({ type }) => type === 'warning')).toEqual([
    expect.objectContaining({
      message: expect.stringContaining('left alone from here on: there is no such folder'),
    }),
  ])
})

test('rule 21: taking a large result from a shared cache shows how far it is', async () => {
  const shared = sharedFolder()
  const large = {
    'w.yaml': 'nodes: { clean: { uses: trim, in: { text: in.txt } } }',
    'in.txt': 'words '.repeat(5e5),
  }
  await new TestProject(large).run('w.yaml', '--shared-cache', shared, '--shared-cache-write')
  const run = await new TestProject(large).run('w.yaml', '--shared-cache', shared)
  expect(run).toMatchObject({ code: 0, executed: [], reused: ['clean'] })
  const told = run.events.flatMap((event) => (event.type === 'node-progress' ? [event] : []))
  expect(told.at(-1)).toMatchObject({ step: 3, total: 3, unit: 'MB', note: 'from the shared cache' })
})
