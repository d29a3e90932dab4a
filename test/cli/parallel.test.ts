import { expect, test } from 'vitest'
import { GateServer } from './gate-server.ts'
import { TestProject, withEvents } from './test-project.ts'

const names = ['a', 'b', 'c']
const workflow = `nodes:\n${names.map((name) => `  ${name}: { uses: gate, in: { text: in.txt }, with: { name: ${name} } }\n`).join('')}`

test('--jobs stages run side by side', async () => {
  const gate = await GateServer.listen()
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': 'x' })
  const running = project.start(['run', '--json', '--jobs', '3', 'w.yaml'], gate.environment)
  // All three are held at once, which two slots could not do.
  const held = await Promise.all(names.map((name) => gate.next(name)))
  for (const stage of held) stage.answer('go')
  expect(withEvents(await running.finished)).toMatchObject({ code: 0, executed: names })
})

test('--jobs 1 runs one after the other', async () => {
  const gate = await GateServer.listen()
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': 'x' })
  const running = project.start(['run', '--json', '--jobs', '1', 'w.yaml'], gate.environment)
  for (let turn = 1; turn <= names.length; turn++) {
    const held = await gate.next()
    expect(running.lines.filter((line) => line.includes('"node-started"'))).toHaveLength(turn)
    held.answer('go')
  }
  expect(withEvents(await running.finished)).toMatchObject({ code: 0, executed: names })
})
