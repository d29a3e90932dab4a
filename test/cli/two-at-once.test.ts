import { readdirSync } from 'node:fs'
import { expect, test } from 'vitest'
import { GateServer } from './gate-server.ts'
import { TestProject, withEvents } from './test-project.ts'

const workflow = `nodes:
  first: { uses: trim, in: { text: in.txt } }
  held:  { uses: gate, in: { text: '\${{ nodes.first.text }}' }, with: { name: held } }
  last:  { uses: upper, in: { text: '\${{ nodes.held.text }}' }, out: { text: out.txt } }
`
const run = ['run', '--json', 'w.yaml']

const isWaiting = (line: string) => line.includes('"node-waiting"')

/** One run that holds `held` open, and another that waits for it. */
async function twoRuns(environments: readonly Record<string, string>[] = [{}, {}]) {
  const gate = await GateServer.listen()
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': 'text' })
  const [one, two] = environments
  const holder = project.start(run, { ...gate.environment, ...one })
  const held = await gate.next('held')
  const waiter = project.start(run, { ...gate.environment, ...two })
  const event = JSON.parse((await waiter.line(isWaiting)) ?? '{}')
  return { gate, project, holder, held, waiter, event }
}

test('rule 16: the second run waits for the node of the first, and reuses it', async () => {
  const { project, holder, held, waiter, event } = await twoRuns()
  expect(event).toMatchObject({ type: 'node-waiting', node: 'held', holder: { pid: holder.process.pid } })
  held.answer('go')
  const [first, second] = [withEvents(await holder.finished), withEvents(await waiter.finished)]
  expect(first).toMatchObject({ code: 0, stderr: '' })
  expect(second).toMatchObject({ code: 0, stderr: '' })
  // `last` is whose it happens to be.
  expect([...first.executed, ...second.executed].sort()).toEqual(['first', 'held', 'last'])
  expect(second.reused).toContain('held')
  expect(second.events).toContainEqual(
    expect.objectContaining({ node: 'held', reason: 'made by another run meanwhile' }),
  )
  expect(project.read('out.txt')).toBe('TEXT')
  expect(readdirSync(`${project.folder}/.flow/leases`)).toEqual([])
})

test('rule 16: when the holder is killed, the waiter takes over at once', async () => {
  const { gate, project, holder, waiter } = await twoRuns()
  holder.process.kill('SIGKILL')
  ;(await gate.next('held')).answer('go')
  expect(withEvents(await waiter.finished)).toMatchObject({ code: 0, executed: ['held', 'last'] })
  expect(project.read('out.txt')).toBe('TEXT')
})
