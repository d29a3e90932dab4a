import { expect, test } from 'vitest'
import { GateServer } from './gate-server.ts'
import { TestProject, withEvents } from './test-project.ts'

const workflow = `nodes:
  first: { uses: trim, in: { text: in.txt } }
  held:  { uses: gate, in: { text: '\${{ nodes.first.text }}' }, with: { name: held } }
  last:  { uses: upper, in: { text: '\${{ nodes.held.text }}' }, out: { text: out.txt } }
`

async function heldRun() {
  const gate = await GateServer.listen()
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': 'text' })
  const running = project.start(['run', '--json', 'w.yaml'], gate.environment)
  const held = await gate.next('held')
  return { gate, project, running, held }
}

test('rule 18: the first Ctrl-C lets the stage write a checkpoint, exits with 130, and a rerun goes on from there', async () => {
  const { gate, project, running } = await heldRun()
  running.process.kill('SIGINT')
  const run = withEvents(await running.finished)
  expect(run).toMatchObject({ code: 130, executed: ['first'] })
  expect(run.events.at(-1)).toMatchObject({
    type: 'run-finished',
    ok: false,
    interrupted: true,
    nodes: { executed: 1, failed: 0, skipped: 2 },
  })
  expect((await project.flow('status')).stdout).toMatch(/w \(w\.yaml\), interrupted/)

  const rerun = project.start(['run', '--json', 'w.yaml'], gate.environment)
  ;(await gate.next('held')).answer('go')
  const done = withEvents(await rerun.finished)
  expect(done).toMatchObject({ code: 0, executed: ['held', 'last'], reused: ['first'] })
  expect(done.events).toContainEqual(expect.objectContaining({ type: 'node-log', message: 'resumed: held' }))
  expect(project.read('out.txt')).toBe('TEXT')
})

test('SIGTERM stops as cleanly', async () => {
  const { running } = await heldRun()
  running.process.kill('SIGTERM')
  expect((await running.finished).code).toBe(130)
})

test('rule 18: the second Ctrl-C does not wait for a stage that does not listen', async () => {
  const gate = await GateServer.listen()
  const project = new TestProject({
    'w.yaml': 'nodes:\n  deaf: { uses: deaf, in: { text: in.txt } }\n',
    'in.txt': 'x',
    'stages/deaf/index.ts': `
import { connect } from 'node:net'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'deaf', description: '', inputs: { text: 'text' }, outputs: { text: 'text' }, params: Type.Object({}),
  async run() {
    connect(process.env.GATE_SOCKET ?? '').write('deaf')
    await new Promise(() => {})
  },
})
`,
  })
  const running = project.start(['run', 'w.yaml'], gate.environment)
  await gate.next('deaf')
  running.process.kill('SIGINT')
  await running.line((line) => line.includes('Ctrl-C again'))
  running.process.kill('SIGINT')
  expect((await running.finished).code).toBe(130)
})
