import { rmSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { GateServer } from './gate-server.ts'
import { TestProject } from './test-project.ts'

const workflow = `
name: shout
params:
  separator: { type: string, default: '+' }
nodes:
  clean: { uses: trim, in: { text: in.txt } }
  once:  { uses: upper, in: { text: '\${{ nodes.clean.text }}' } }
  twice: { uses: upper, in: { text: '\${{ nodes.clean.text }}' }, with: { times: 2 } }
  joined:
    uses: join
    in: { texts: ['\${{ nodes.once.text }}', '\${{ nodes.twice.text }}'] }
    with: { separator: '\${{ params.separator }}' }
    out: { text: out/joined.txt, parts: out/parts }
  echo:  { uses: upper, in: { text: '\${{ nodes.joined.text }}' }, out: { text: out/echo.txt } }
`
const all = ['clean', 'echo', 'joined', 'once', 'twice']

async function finishedProject(): Promise<TestProject> {
  const project = new TestProject({ 'shout.yaml': workflow, 'in.txt': '  hello \n' })
  expect(await project.run('shout.yaml')).toMatchObject({ code: 0, stderr: '', executed: all })
  return project
}

test('the first run executes every node and writes the named outputs', async () => {
  const project = await finishedProject()
  expect(project.read('out/joined.txt')).toBe('HELLO+HELLOHELLO')
  expect(project.read('out/parts/0.txt')).toBe('HELLO')
  expect(project.files('out')).toEqual([
    'out/echo.txt',
    'out/joined.txt',
    'out/parts/0.txt',
    'out/parts/1.txt',
  ])
})

test('a second run executes nothing and says so', async () => {
  const project = await finishedProject()
  const second = await project.run('shout.yaml')
  expect(second).toMatchObject({ code: 0, executed: [], reused: all })
  expect(second.events.at(-1)).toEqual({
    type: 'run-finished',
    ok: true,
    nodes: { executed: 0, reused: 5, failed: 0, skipped: 0 },
    durationMs: expect.any(Number),
  })
  const plain = await project.flow('run', 'shout.yaml')
  expect(plain.stdout).toMatch(/^nothing to do: 5 nodes up to date \(\d.*\)\nresults: out\/echo\.txt\n$/)
  expect((await project.flow('run', 'shout.yaml', '--quiet')).stdout).toMatch(/^nothing to do: .*\n$/)
})

test('comments, layout and names of nodes do not matter; a touched file with the same content does not either', async () => {
  const project = await finishedProject()
  project.write(
    'shout.yaml',
    workflow.replace('nodes:', '# what happens\nnodes:\n').replaceAll('twice', 'double'),
  )
  utimesSync(join(project.folder, 'in.txt'), new Date(), new Date())
  expect(await project.run('shout.yaml')).toMatchObject({ code: 0, executed: [] })
  expect(await project.run('shout.yaml', '--set', 'nodes.once.with.label=new')).toMatchObject({
    executed: [],
  })
})

test('a parameter of a late node runs only that node and its dependants, with the reason', async () => {
  const project = await finishedProject()
  const changed = await project.run('shout.yaml', '--param', 'separator=-')
  expect(changed).toMatchObject({ code: 0, executed: ['echo', 'joined'], reused: ['clean', 'once', 'twice'] })
  const reasons = changed.events.flatMap((event) =>
    event.type === 'node-started' ? [[event.node, event.reason]] : [],
  )
  expect(reasons).toEqual([
    ['joined', 'params.separator "+" -> "-"'],
    ['echo', 'input text: its only line differs'],
  ])
  expect(project.read('out/echo.txt')).toBe('HELLO-HELLOHELLO')
  expect(await project.run('shout.yaml')).toMatchObject({ executed: [] })
  expect(project.read('out/echo.txt')).toBe('HELLO+HELLOHELLO')
})

test('rule 2: an edited input whose first result is the same stops there', async () => {
  const project = await finishedProject()
  project.write('in.txt', 'hello')
  expect(await project.run('shout.yaml')).toMatchObject({
    executed: ['clean'],
    reused: ['echo', 'joined', 'once', 'twice'],
  })
  project.write('in.txt', 'good bye')
  expect(await project.run('shout.yaml')).toMatchObject({ executed: all })
})

test('edited code of a stage runs its nodes and names the file', async () => {
  const project = await finishedProject()
  project.write('stages/join/index.ts', project.read('stages/join/index.ts') + '\n// edited\n')
  const run = await project.run('shout.yaml')
  expect(run.executed).toEqual(['joined'])
  expect(run.events).toContainEqual(
    expect.objectContaining({ type: 'node-started', reason: 'stage code: stages/join/index.ts changed' }),
  )
})

test('nodes with equal keys execute once, also under --refresh', async () => {
  const nodes = ['a', 'b', 'c'].map(
    (name) => `  ${name}: { uses: upper, in: { text: in.txt }, out: { text: ${name}.txt } }`,
  )
  const project = new TestProject({ 'w.yaml': `nodes:\n${nodes.join('\n')}\n`, 'in.txt': 'x' })
  const run = await project.run('w.yaml', '--jobs', '3')
  expect(run.executed).toHaveLength(1)
  expect(run.reused).toHaveLength(2)
  expect(['a', 'b', 'c'].map((name) => project.read(`${name}.txt`))).toEqual(['X', 'X', 'X'])
  expect((await project.run('w.yaml', '--refresh')).executed).toHaveLength(1)
})

test('rule 6: an input that changes while its stage runs: the result is used, and not kept', async () => {
  const gate = await GateServer.listen()
  const project = new TestProject({
    'w.yaml': `nodes:
  held: { uses: gate, in: { text: in.txt }, with: { name: held }, out: { text: held.txt } }
  next: { uses: upper, in: { text: '\${{ nodes.held.text }}' }, out: { text: next.txt } }
`,
    'in.txt': 'before',
  })
  const running = project.start(['run', '--json', 'w.yaml'], gate.environment)
  const held = await gate.next('held')
  project.write('in.txt', 'after!')
  held.answer('go')
  const { code, stdout } = await running.finished
  expect(code).toBe(0)
  expect(stdout).toContain('not kept: in.txt has changed while it ran')
  expect(project.read('next.txt')).toBe('AFTER!')
  const again = project.start(['run', '--json', 'w.yaml'], gate.environment)
  ;(await gate.next('held')).answer('go')
  expect((await again.finished).code).toBe(0)
})

test('a workflow that was read before is still checked against what is there', async () => {
  const project = await finishedProject()
  rmSync(join(project.folder, 'in.txt'))
  const missing = await project.flow('run', 'shout.yaml')
  expect(missing.code).toBe(2)
  expect(missing.stderr).toContain('error[missing-file]')
  project.write('in.txt', '  hello ')
  const upper = project.read('stages/upper/index.ts')
  project.write('stages/upper/index.ts', upper.replace('minimum: 1', 'minimum: 3'))
  const tooSmall = await project.flow('run', 'shout.yaml')
  expect(tooSmall.code).toBe(2)
  expect(tooSmall.stderr).toMatch(/shout\.yaml:8:\d+: error/)
})
