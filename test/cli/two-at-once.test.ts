import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { GateServer } from './gate-server.ts'
import { type FinishedRun, type RunningFlow, TestProject, withEvents } from './test-project.ts'

const workflow = `nodes:
  first: { uses: trim, in: { text: in.txt } }
  held:  { uses: told, in: { text: '\${{ nodes.first.text }}' } }
  last:  { uses: upper, in: { text: '\${{ nodes.held.text }}' }, out: { text: out.txt } }
`
const command = ['run', '--json', 'w.yaml']

/** Writes what the test tells it. Cancelled, it leaves a checkpoint; the next attempt says that it found one. */
const told = `
import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'told', description: '', inputs: { text: 'text' }, outputs: { text: 'text' }, params: Type.Object({}),
  async run({ outputs, checkpoint, signal, progress, log }) {
    if (existsSync(checkpoint + '/seen')) log('resumed')
    progress({ step: 3, total: 10 })
    const socket = connect(process.env.GATE_SOCKET ?? '')
    const word = await new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => {
        writeFileSync(checkpoint + '/seen', '')
        resolve(undefined)
      })
      socket.on('error', reject)
      socket.on('data', (data) => resolve(String(data)))
      socket.write('held')
    })
    socket.destroy()
    if (word === 'throw') throw new TypeError('a bug in the stage')
    if (word !== undefined) writeFileSync(outputs.text, word)
  },
})
`

function anotherMachine(host: string, more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const preload = fileURLToPath(new URL('../fixtures/cli/another-machine.mjs', import.meta.url))
  return { NODE_OPTIONS: `--import ${preload}`, ANOTHER_HOST: host, ...more }
}

/** The first run holds `held` open, and the second waits for it. */
async function twoRuns(first: Readonly<Record<string, string>> = {}, second = first) {
  const gate = await GateServer.listen()
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': 'text', 'stages/told/index.ts': told })
  const holder = project.start(command, { ...gate.environment, ...first })
  const held = await gate.next('held')
  const waiter = project.start(command, { ...gate.environment, ...second })
  const waiting = JSON.parse((await waiter.line(isWaiting)) ?? '{}')
  return { gate, project, holder, held, waiter, waiting }
}

const isWaiting = (line: string) => line.includes('"node-waiting"')

async function runOf(running: RunningFlow): Promise<FinishedRun> {
  return withEvents(await running.finished)
}

/** Nothing of any run is left, and the store holds each node once. */
function expectTidy(project: TestProject): void {
  for (const folder of ['leases', 'locks', 'attempts', 'tmp', 'checkpoints'])
    expect({ folder, left: readdirSync(`${project.folder}/.flow/${folder}`) }).toEqual({ folder, left: [] })
}

test('rule 16: the second run waits for the node of the first, shows who has it, and reuses it', async () => {
  const { project, holder, held, waiter, waiting } = await twoRuns()
  expect(waiting).toMatchObject({ node: 'held', holder: { pid: holder.process.pid } })
  const withProgress = await waiter.line((line) => isWaiting(line) && line.includes('"step":3'))
  expect(JSON.parse(withProgress ?? '{}')).toMatchObject({ holder: { progress: { step: 3, total: 10 } } })
  held.answer('a word')
  const [first, second] = [await runOf(holder), await runOf(waiter)]
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(second).toMatchObject({ code: 0, stderr: '' })
  // `last` is whose it happens to be.
  expect([...first.executed, ...second.executed].sort()).toEqual(['first', 'held', 'last'])
  expect(second.events).toContainEqual(
    expect.objectContaining({ node: 'held', outcome: 'reused', reason: 'made by another run meanwhile' }),
  )
  expect(project.read('out.txt')).toBe('A WORD')
  expectTidy(project)
})

test('rule 16: who waits holds no slot', async () => {
  const { gate, project, holder, held, waiter } = await twoRuns()
  const free = `  free: { uses: gate, in: { text: '\${{ nodes.first.text }}' }, with: { name: free } }\n`
  project.write('other.yaml', workflow + free)
  const third = project.start(['run', '--json', '--jobs', '1', 'other.yaml'], gate.environment)
  await third.line(isWaiting)
  ;(await gate.next('free')).answer('go')
  await third.line((line) => line.includes('"node-finished"') && line.includes('"free"'))
  held.answer('a word')
  for (const run of [holder, waiter, third]) expect((await run.finished).code).toBe(0)
})

test('rule 16: a node that fails in one run is tried by the other', async () => {
  const { gate, project, holder, held, waiter } = await twoRuns()
  held.answer('throw')
  ;(await gate.next('held')).answer('a word')
  expect((await holder.finished).code).toBe(1)
  expect(await runOf(waiter)).toMatchObject({ code: 0, executed: ['held', 'last'] })
  expect(project.read('out.txt')).toBe('A WORD')
})

test('rule 16: when the holder is killed, the waiter takes over at once and goes on from its checkpoint', async () => {
  const { gate, project, holder, waiter } = await twoRuns()
  const [lease] = readdirSync(`${project.folder}/.flow/leases`)
  const [attempt] = readdirSync(`${project.folder}/.flow/checkpoints/${lease}`)
  project.write(`.flow/checkpoints/${lease}/${attempt}/seen`, '')
  holder.process.kill('SIGKILL')
  ;(await gate.next('held')).answer('a word')
  const run = await runOf(waiter)
  expect(run).toMatchObject({ code: 0, executed: ['held', 'last'] })
  expect(run.events).toContainEqual(expect.objectContaining({ type: 'node-log', message: 'resumed' }))
  expect(project.read('out.txt')).toBe('A WORD')
})

test('rule 16: Ctrl-C ends a run that waits at once', async () => {
  const { holder, held, waiter } = await twoRuns()
  waiter.process.kill('SIGINT')
  expect((await waiter.finished).code).toBe(130)
  held.answer('a word')
  expect((await holder.finished).code).toBe(0)
})

test('rule 16: a suspended holder loses its lease, and does not commit over the other’s result', async () => {
  const { gate, project, holder, held, waiter } = await twoRuns({ FLOW_HEARTBEAT_MS: '100' })
  holder.process.kill('SIGSTOP')
  ;(await gate.next('held')).answer('early')
  expect(await runOf(waiter)).toMatchObject({ code: 0, executed: ['held', 'last'] })
  held.answer('late')
  holder.process.kill('SIGCONT')
  const woken = await runOf(holder)
  expect(woken).toMatchObject({ code: 0, reused: ['last'] })
  expect(woken.events).toContainEqual(
    expect.objectContaining({
      type: 'warning',
      message: expect.stringContaining('held wrote other bytes than before'),
    }),
  )
  expect(project.read('out.txt')).toBe('EARLY')
  expectTidy(project)
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, reused: ['first', 'held', 'last'] })
})

test('rule 16: a living run on another machine keeps its lease, whatever its clock says', async () => {
  const hourMs = 3_600_000
  const clock = { CLOCK_OFF_MS: String(9 * hourMs), FLOW_HEARTBEAT_MS: '200' }
  const { project, holder, held, waiter, waiting } = await twoRuns(
    anotherMachine('faraway', clock),
    anotherMachine('nearby', { CLOCK_OFF_MS: String(-30 * hourMs), FLOW_HEARTBEAT_MS: '200' }),
  )
  expect(waiting).toMatchObject({ holder: { host: 'faraway', pid: holder.process.pid } })
  // Longer than it would take to lose it.
  await beats(project, 20)
  held.answer('a word')
  const [first, second] = [await runOf(holder), await runOf(waiter)]
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(second).toMatchObject({ code: 0, stderr: '' })
  expect([...first.executed, ...second.executed].sort()).toEqual(['first', 'held', 'last'])
  expectTidy(project)
})

test('rule 16: of two machines one dies, and the other takes over, whatever the clocks say', async () => {
  const hourMs = 3_600_000
  const { gate, project, holder, waiter } = await twoRuns(
    anotherMachine('faraway', { CLOCK_OFF_MS: String(9 * hourMs), FLOW_HEARTBEAT_MS: '100' }),
    anotherMachine('nearby', { CLOCK_OFF_MS: String(-30 * hourMs) }),
  )
  holder.killTree()
  ;(await gate.next('held')).answer('a word')
  expect(await runOf(waiter)).toMatchObject({ code: 0, executed: ['held', 'last'], stderr: '' })
  expect(project.read('out.txt')).toBe('A WORD')
})

test('rule 16: a light stage that keeps the engine busy does not lose its lease', async () => {
  const gate = await GateServer.listen()
  const project = new TestProject({
    'w.yaml': 'nodes:\n  busy: { uses: busy, in: { text: in.txt }, out: { text: out.txt } }\n',
    'in.txt': 'x',
    // Returns when the test has made the file; until then no timer of the engine gets a turn.
    'stages/busy/index.ts': `
import { existsSync, writeFileSync } from 'node:fs'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'busy', description: '', inputs: { text: 'text' }, outputs: { text: 'text' }, params: Type.Object({}),
  light: true,
  async run({ inputs, outputs }) {
    const pause = new Int32Array(new SharedArrayBuffer(4))
    while (!existsSync('go')) Atomics.wait(pause, 0, 0, 50)
    writeFileSync(outputs.text, 'done')
  },
})
`,
  })
  const holder = project.start(
    command,
    anotherMachine('faraway', { ...gate.environment, FLOW_HEARTBEAT_MS: '200' }),
  )
  await holder.line((line) => line.includes('"node-started"'))
  const waiter = project.start(command, gate.environment)
  await waiter.line(isWaiting)
  await beats(project, 20)
  project.write('go', '')
  expect(await runOf(holder)).toMatchObject({ code: 0, executed: ['busy'] })
  expect(await runOf(waiter)).toMatchObject({ code: 0, reused: ['busy'] })
})

for (const runs of [2, 8]) {
  test(`rule 16: ${runs} runs at once execute each node once`, async () => {
    const nodes = ['clean', 'left', 'once', 'right', 'twice']
    const project = new TestProject({
      'w.yaml': `nodes:
  clean: { uses: trim, in: { text: in.txt }, out: { text: out/clean.txt } }
  once:  { uses: upper, in: { text: '\${{ nodes.clean.text }}' }, out: { text: out/once.txt } }
  twice: { uses: upper, in: { text: '\${{ nodes.clean.text }}' }, with: { times: 2 }, out: { text: out/twice.txt } }
  left:  { uses: join, in: { texts: ['\${{ nodes.once.text }}', '\${{ nodes.twice.text }}'] }, out: { parts: out/left } }
  right: { uses: join, in: { texts: ['\${{ nodes.twice.text }}'] }, out: { text: out/right.txt } }
`,
      'in.txt': ' some text ',
    })
    const all = await Promise.all(
      Array.from({ length: runs }, () => runOf(project.start(['run', '--json', '--jobs', '2', 'w.yaml']))),
    )
    for (const run of all) expect(run).toMatchObject({ code: 0, stderr: '' })
    expect(all.flatMap((run) => run.executed).sort()).toEqual(nodes)
    expect(all.flatMap((run) => run.reused)).toHaveLength((runs - 1) * nodes.length)
    const contents = project.files('out').map((path) => [path, project.read(path)])
    expect(Object.fromEntries(contents)).toEqual({
      'out/clean.txt': 'some text',
      'out/once.txt': 'SOME TEXT',
      'out/twice.txt': 'SOME TEXTSOME TEXT',
      'out/left/0.txt': 'SOME TEXT',
      'out/left/1.txt': 'SOME TEXTSOME TEXT',
      'out/right.txt': 'SOME TEXTSOME TEXT',
    })
    expectTidy(project)
  })
}

/** Resolves when the run that holds a lease has advanced its heartbeat so often from now on. */
async function beats(project: TestProject, count: number): Promise<void> {
  const owners = `${project.folder}/.flow/owners`
  const beat = () =>
    Math.max(
      ...readdirSync(owners)
        .filter((name) => name.endsWith('.beat'))
        .map((name) => Number(/"beat":(\d+)/.exec(readFileSync(`${owners}/${name}`, 'utf8'))?.[1] ?? 0)),
    )
  const wanted = beat() + count
  while (beat() < wanted) await new Promise(setImmediate)
}
