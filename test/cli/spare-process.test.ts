/** @file While a stage runs in its process, one starts for the next; it is of no use to anybody else, and never left. */
import { existsSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { GateServer, type HeldStage } from './gate-server.ts'
import { type RunningFlow, TestProject } from './test-project.ts'

/** Two nodes, one after the other; `first` is held. */
async function held(second: string) {
  const gate = await GateServer.listen()
  const project = new TestProject({
    'w.yaml': `nodes:
  first:  { uses: gate, in: { text: in.txt }, with: { name: first } }
  second: { ${second} }
`,
    'in.txt': 'text',
  })
  const running = project.start(['run', '--json', '--jobs', '1', 'w.yaml'], gate.environment)
  return { gate, running, first: await gate.next('first') }
}

const another = "uses: gate, in: { text: '${{ nodes.first.text }}' }, with: { name: second }"

test('the process that serves a node was started while the one before ran, and none when nothing is to come', async () => {
  const { gate, running, first } = await held(another)
  const early = running.workers
  expect(early).toHaveLength(2)
  first.answer('go')
  const second = await gate.next('second')
  const late = running.workers
  expect(late).toHaveLength(1)
  expect(early).toContain(late[0])
  second.answer('go')
  expect((await running.finished).code).toBe(0)
})

const others: Readonly<Record<string, string>> = {
  'of a light stage': "uses: upper, in: { text: '${{ nodes.first.text }}' }",
  'with an environment of its own': `${another}, env: { SOMETHING: else }`,
}

test.each(Object.entries(others))('no process is started ahead for a node %s', async (_, node) => {
  const { gate, running, first } = await held(node)
  expect(running.workers).toHaveLength(1)
  first.answer('go')
  void gate.next('second').then((second) => second.answer('go'))
  expect((await running.finished).code).toBe(0)
})

const ends: Readonly<Record<string, (running: RunningFlow, first: HeldStage) => void>> = {
  'its node fails': (_, first) => first.answer('throw'),
  'a Ctrl-C comes': (running) => running.process.kill('SIGINT'),
  'a second Ctrl-C comes': (running) => {
    running.process.kill('SIGINT')
    running.process.kill('SIGINT')
  },
}

test.each(Object.entries(ends))('rule 18: a spare process is gone with its run, when %s', async (_, end) => {
  const { running, first } = await held(another)
  const workers = running.workers
  expect(workers).toHaveLength(2)
  end(running, first)
  expect((await running.finished).code).not.toBe(0)
  await gone(workers)
})

test('a spare process is gone when the engine is killed', async () => {
  const { running } = await held(another)
  const workers = running.workers
  expect(workers).toHaveLength(2)
  running.process.kill('SIGKILL')
  await running.finished
  await gone(workers)
})

/** Within the time that a test may take. */
async function gone(pids: readonly number[]): Promise<void> {
  while (pids.some((pid) => existsSync(`/proc/${pid}`))) await delay(5)
}
