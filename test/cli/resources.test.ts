import { join } from 'node:path'
import { expect, test } from 'vitest'
import { RemoteValues } from '../../engine/artifacts/remote-values.ts'
import type { FlowEvent } from '../../engine/events/event.ts'
import type { RunId } from '../../engine/identity.ts'
import { prepareRun } from '../../engine/plan/prepare.ts'
import { Journal } from '../../engine/run/journal.ts'
import { runWorkflow } from '../../engine/run/run-workflow.ts'
import { loadCatalog } from '../../engine/stage/load-catalog.ts'
import { Store } from '../../engine/store/store.ts'
import { loadWorkflow } from '../../engine/workflow/load.ts'
import { GateServer } from './gate-server.ts'
import { TestProject, withEvents } from './test-project.ts'

const gateNode = (name: string, policy = '') =>
  `  ${name}: { uses: gate, in: { text: in.txt }, with: { name: ${name} }${policy} }\n`

test('rule 17: a node sees the devices that it holds; who needs none runs while another waits for them', async () => {
  const project = new TestProject({
    'w.yaml': `nodes:
  both: { uses: devices, with: { of: both }, resources: { gpu: 2 }, out: { text: both.txt } }
  none: { uses: devices, with: { of: none }, resources: { gpu: 0 }, out: { text: none.txt } }
  next: { uses: devices, with: { of: next }, resources: { gpu: 1 }, out: { text: next.txt } }
${gateNode('holder', ', resources: { gpu: 1 }')}${gateNode('waiter', ', resources: { gpu: 2 }')}${gateNode('plain')}`,
    'in.txt': 'x',
    'stages/devices/index.ts': `
import { writeFileSync } from 'node:fs'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'devices', description: '', inputs: {}, outputs: { text: 'text' }, params: Type.Object({ of: Type.String() }),
  async run({ outputs }) { writeFileSync(outputs.text, String(process.env.CUDA_VISIBLE_DEVICES)) },
})
`,
  })
  const gate = await GateServer.listen()
  const events: FlowEvent[] = []
  const { finished } = await runHere(project, gate, (event) => events.push(event))
  const holder = await gate.next('holder')
  // There are two places and two devices: one of each is held, and `waiter` lacks a device only.
  const plain = await gate.next('plain')
  expect(events.filter(({ type }) => type === 'node-started')).not.toContainEqual(
    expect.objectContaining({ node: 'waiter' }),
  )
  holder.answer('go')
  plain.answer('go')
  ;(await gate.next('waiter')).answer('go')
  expect(await finished).toMatchObject({ ok: true, nodes: { executed: 6 } })
  expect(project.read('both.txt').split(',').sort()).toEqual(['3', '5'])
  expect(['3', '5']).toContain(project.read('next.txt'))
  expect(project.read('none.txt')).toBe('')
})

/** On a machine with two GPUs, "3" and "5", as far as the engine knows. */
async function runHere(project: TestProject, gate: GateServer, emit: (event: FlowEvent) => void) {
  process.env.GATE_SOCKET = gate.environment.GATE_SOCKET
  const { folder } = project
  const { catalog } = await loadCatalog(folder)
  const { workflow } = loadWorkflow({ file: 'w.yaml', source: project.read('w.yaml'), catalog })
  const flowFolder = join(folder, '.flow')
  const request = {
    project: folder,
    workflow: workflow!,
    store: await Store.open(flowFolder),
    remotes: new RemoteValues(catalog),
    allowed: [],
    selection: {},
    refresh: 'none',
  } as const
  const { prepared } = await prepareRun(request)
  const capacity = { jobs: 2, gpus: ['3', '5'], memoryBytes: 2 ** 30, slots: {} }
  const signal = new AbortController().signal
  const finished = runWorkflow(
    { ...request, catalog, flowFolder, capacity, device: 'auto', signal, emit },
    prepared!,
  )
  return { finished }
}

test('nodes share named slots, of which --slots may give more', async () => {
  const gate = await GateServer.listen()
  const nodes = ['a', 'b', 'c'].map((name) => gateNode(name, ', resources: { slots: { api: 2 } }')).join('')
  const project = new TestProject({ 'w.yaml': `slots: { api: 3 }\nnodes:\n${nodes}`, 'in.txt': 'x' })
  const args = ['run', '--json', 'w.yaml', '--jobs', '3']
  const narrow = project.start(args, gate.environment)
  for (let turn = 1; turn <= 3; turn++) {
    const held = await gate.next()
    expect(narrow.lines.filter((line) => line.includes('"node-started"'))).toHaveLength(turn)
    held.answer('go')
  }
  expect(withEvents(await narrow.finished).code).toBe(0)

  const wide = project.start([...args, '--slots', 'api=6', '--refresh'], gate.environment)
  const held = [await gate.next('a'), await gate.next('b'), await gate.next('c')]
  for (const stage of held) stage.answer('go')
  expect(withEvents(await wide.finished).code).toBe(0)

  const { code, stderr } = await project.flow('run', 'w.yaml', '--slots', 'apo=1', '--slots', 'api=none')
  expect(code).toBe(2)
  expect(stderr).toMatch(/the workflow has no slots `apo`\n.*did you mean `api`\?/)
  expect(stderr).toContain('--slots api needs a whole number of at least 1, not `none`')
})

test('what can never be had is an error before anything runs, unless it is only reused', async () => {
  const resources = 'resources: { gpu: 64, memory: 900000TiB, slots: { api: 3 } }'
  const workflow = (more: string) =>
    `slots: { api: 2 }\nnodes:\n  a: { uses: trim, in: { text: in.txt }${more} }\n`
  const project = new TestProject({ 'w.yaml': workflow(''), 'in.txt': 'x' })
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: ['a'] })
  project.write('w.yaml', workflow(`, ${resources}`))
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, reused: ['a'] })

  project.write('in.txt', 'y')
  const { code, stdout, stderr } = await project.flow('run', 'w.yaml')
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('w.yaml:3:3: error[impossible-resources]: `a` needs 64 GPUs, and there')
  expect(stderr).toMatch(/`a` needs \d+ TB of memory, and this machine has/)
  expect(stderr).toContain('`a` needs 3 slots `api`, and there are 2')
  expect(stderr).toContain('run with --slots api=3')
})

test('of nodes that wait, the one goes first behind which most is left to do, by the time it took before', async () => {
  const names = ['a', 'b', 'c', 'd']
  const workflow = `nodes:\n${names.map((name) => gateNode(name)).join('')}`
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': 'x' })
  const nodes = names.map((node) => ({ node, stage: 'gate', dependsOn: [] }))
  const journal = new Journal(join(project.folder, '.flow'), {
    runId: '20200101-000000-000-0000' as RunId,
    workflow: 'w',
    file: 'w.yaml',
  })
  const past = [
    { type: 'run-started', runId: journal.runId, workflow: 'w', file: 'w.yaml', nodes },
    { type: 'node-finished', node: 'a', outcome: 'executed', key: 'k', durationMs: 3000, outputs: {} },
    { type: 'node-finished', node: 'b', outcome: 'executed', key: 'k', durationMs: 1000, outputs: {} },
    // Reuse takes no time; what counts is what was spared.
    {
      type: 'node-finished',
      node: 'c',
      outcome: 'reused',
      key: 'k',
      durationMs: 1,
      savedMs: 9000,
      outputs: {},
    },
    {
      type: 'run-finished',
      ok: true,
      nodes: { executed: 2, reused: 1, failed: 0, skipped: 1 },
      durationMs: 9,
    },
  ]
  for (const event of past) journal.onEvent(event as FlowEvent)

  const gate = await GateServer.listen()
  const running = project.start(['run', '--json', 'w.yaml', '--jobs', '1'], gate.environment)
  for (const _ of names) (await gate.next()).answer('go')
  const run = withEvents(await running.finished)
  const order = run.events.flatMap((event) => (event.type === 'node-started' ? [String(event.node)] : []))
  // Whoever was ready first has begun at once; `d`, of which nothing is known, counts as the average.
  expect(order.slice(1)).toEqual(['c', 'd', 'a', 'b'].filter((name) => name !== order[0]))
})
