import { expect, test } from 'vitest'
import type { FlowEvent } from '../../engine/events/event.ts'
import { GateServer } from './gate-server.ts'
import { TestProject, withEvents } from './test-project.ts'

const node = (name: string, policy = '') =>
  `  ${name}: { uses: gate, in: { text: in.txt }, with: { name: ${name} }${policy} }\n`

async function started(nodes: string, head = '') {
  const gate = await GateServer.listen()
  const project = new TestProject({ 'w.yaml': `${head}nodes:\n${nodes}`, 'in.txt': 'x' })
  const running = project.start(['run', '--json', 'w.yaml', '--jobs', '1'], gate.environment)
  const ended = running.finished.then(withEvents)
  return { gate, project, running, ended }
}

function eventsOf<T extends FlowEvent['type']>(events: readonly FlowEvent[], type: T) {
  return events.filter((event): event is FlowEvent & { type: T } => event.type === type)
}

test('a failure that may pass is tried again, as often as `retry` says', async () => {
  const { gate, ended } = await started(node('held', ', retry: { times: 2, delay: 0s }'))
  ;(await gate.next('held')).answer('busy')
  ;(await gate.next('held')).answer('busy')
  ;(await gate.next('held')).answer('go')
  const run = await ended
  expect(run).toMatchObject({ code: 0, executed: ['held'] })
  const failure = { code: 'busy', message: 'the server is busy', retryable: true }
  expect(eventsOf(run.events, 'node-retrying')).toMatchObject([
    { node: 'held', attempt: 2, attempts: 3, delayMs: 0, failure },
    { node: 'held', attempt: 3, attempts: 3, delayMs: 0, failure },
  ])
  expect(eventsOf(run.events, 'node-started').map(({ attempt }) => attempt)).toEqual([undefined, 2, 3])
})

test('the last attempt that `retry` allows fails the node', async () => {
  const { gate, ended } = await started(node('held', ', retry: { times: 1, delay: 0s }'))
  ;(await gate.next('held')).answer('busy')
  ;(await gate.next('held')).answer('busy')
  const run = await ended
  expect(run.code).toBe(1)
  expect(eventsOf(run.events, 'node-failed')).toMatchObject([{ node: 'held', failure: { code: 'busy' } }])
})

test('a bug is not tried again; a process that was killed is', async () => {
  const { gate, ended } = await started(node('held'), 'defaults: { retry: { times: 3, delay: 0s } }\n')
  ;(await gate.next('held')).answer('die')
  ;(await gate.next('held')).answer('throw')
  const run = await ended
  expect(run.code).toBe(1)
  expect(eventsOf(run.events, 'node-retrying')).toMatchObject([
    { attempt: 2, failure: { code: 'worker-killed' } },
  ])
  expect(eventsOf(run.events, 'node-failed')).toMatchObject([{ failure: { code: 'stage-crashed' } }])
})

test('nothing is held between two attempts, and Ctrl-C does not wait for the next', async () => {
  const { gate, running, ended } = await started(
    node('held', ', retry: { times: 1, delay: 9h, max_delay: 9h }') + node('other'),
  )
  ;(await gate.next()).answer('busy')
  // There is one place: the other node has it while this one waits for its hours to pass.
  ;(await gate.next()).answer('busy')
  await running.line((line) => line.includes('"node-retrying"'))
  await running.line((line) => line.includes('"node-failed"'))
  running.process.kill('SIGINT')
  const run = await ended
  expect(run.code).toBe(130)
  expect(eventsOf(run.events, 'node-retrying')).toMatchObject([{ node: 'held' }])
  expect(eventsOf(run.events, 'node-skipped')).toMatchObject([{ node: 'held', because: 'interrupted' }])
})

test('an attempt that takes too long is cancelled, and the next goes on from its checkpoint', async () => {
  const { gate, ended } = await started(node('held', ', timeout: 1s, retry: { times: 50, delay: 0s }'))
  await gate.next('held')
  // Whichever of the later attempts gets this far in its second.
  const answered = (async () => {
    for (;;) (await gate.next('held')).answer('go')
  })()
  const run = await Promise.race([ended, answered])
  expect(run).toMatchObject({ code: 0, executed: ['held'] })
  expect(eventsOf(run.events, 'node-retrying')[0]).toMatchObject({
    failure: { code: 'timed-out', message: 'it was not done within 1.0 s, its `timeout`' },
  })
  expect(eventsOf(run.events, 'node-log')).toContainEqual(
    expect.objectContaining({ message: 'resumed: held' }),
  )
})

test('a timeout is a failure of the node; nodes that do not depend on it run', async () => {
  const { gate, project, ended } = await started(node('slow', ', timeout: 1ms') + node('other'))
  ;(await gate.next('other')).answer('go')
  const run = await ended
  expect(run).toMatchObject({ code: 1, executed: ['other'] })
  expect(eventsOf(run.events, 'node-failed')).toMatchObject([
    { node: 'slow', failure: { code: 'timed-out' } },
  ])
  expect((await project.flow('status')).stdout).toContain('it was not done within 0.00 s')
})

/** Told to stop, it asks the test whether it may. */
const slowEnd = `
import { connect } from 'node:net'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'slow-end', description: '', inputs: { text: 'text' }, outputs: { text: 'text' }, params: Type.Object({}),
  async run({ signal }) {
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    const socket = connect(process.env.GATE_SOCKET ?? '')
    await new Promise((resolve) => {
      socket.on('data', resolve)
      socket.write('ending')
    })
    socket.destroy()
  },
})
`

test('rule 18: what a cancelled stage holds is free only once its process is gone', async () => {
  const gate = await GateServer.listen()
  const project = new TestProject({
    'w.yaml': `nodes:\n  ends: { uses: slow-end, in: { text: in.txt }, timeout: 4s }\n${node('next')}`,
    'in.txt': 'x',
    'stages/slow-end/index.ts': slowEnd,
  })
  const running = project.start(['run', '--json', 'w.yaml', '--jobs', '1'], gate.environment)
  const ending = await gate.next('ending')
  // It has been cancelled, and still writes what it has. Time enough for the next to start, if it might.
  expect((await project.flow('status')).stdout).toMatch(/ends +slow-end +running/)
  expect(running.lines.filter((line) => line.includes('"node-started"'))).toHaveLength(1)
  ending.answer('go')
  ;(await gate.next('next')).answer('go')
  const run = withEvents(await running.finished)
  expect(run).toMatchObject({ code: 1, executed: ['next'] })
  const order = run.events.flatMap((event) =>
    event.type === 'node-failed' || event.type === 'node-started' ? [`${event.node} ${event.type}`] : [],
  )
  expect(order).toEqual(['ends node-started', 'ends node-failed', 'next node-started'])
})
