import { expect, test } from 'vitest'
import { GateServer } from './gate-server.ts'
import { TestProject } from './test-project.ts'

const time = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z`

/** Lines without their times. */
function linesOf(stdout: string): string[] {
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(new RegExp(`^${time} `), ''))
}

test('a running node is followed until it ends, and one that is still to come is waited for', async () => {
  const gate = await GateServer.listen()
  const project = new TestProject({
    'w.yaml': `nodes:
  held: { uses: gate, in: { text: in.txt }, with: { name: held } }
  last: { uses: trim, in: { text: '\${{ nodes.held.text }}' } }
`,
    'in.txt': 'text',
  })
  const running = project.start(['run', 'w.yaml'], gate.environment)
  const held = await gate.next('held')
  const followed = project.start(['logs', 'held', '-f'])
  const awaited = project.start(['logs', 'last', '--follow', '--json'])
  // Shown before the node has ended.
  expect(await followed.line((line) => line.endsWith('[no earlier result]'))).toBeDefined()
  const early = await project.flow('logs', 'last')
  expect(early).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/`last` has not run yet\n.*wait for it with -f/),
  })
  held.answer('go')
  await running.finished

  const { code, stdout } = await followed.finished
  expect(code).toBe(0)
  expect(linesOf(stdout).at(-1)).toMatch(/^\[executed in .*\]$/)
  const events = (await awaited.finished).stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  expect(events.map(({ type, node }) => `${node} ${type}`)).toEqual(
    expect.arrayContaining(['last node-started', 'last node-finished']),
  )
  expect(events[0].time).toMatch(new RegExp(`^${time}$`))
  expect(events.every(({ node }) => node === 'last')).toBe(true)
})

test('the log of a failure, of an interrupted attempt, and of a reused result', async () => {
  const gate = await GateServer.listen()
  const workflow = (policy: string) => `nodes:
  bad:  { uses: fussy, in: { text: bad.txt } }
  held: { uses: gate, in: { text: in.txt }, with: { name: held }${policy} }
`
  const project = new TestProject({
    'w.yaml': workflow(', retry: { times: 1, delay: 0s }'),
    'bad.txt': 'bad',
    'in.txt': 'text',
  })
  expect(await project.flow('logs', 'bad')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('nothing has run'),
  })

  const running = project.start(['run', 'w.yaml'], gate.environment)
  ;(await gate.next('held')).answer('busy')
  await gate.next('held')
  running.process.kill('SIGINT')
  await running.finished
  expect(linesOf((await project.flow('logs', 'bad')).stdout)).toEqual([
    '[no earlier result]',
    'read 3 characters',
    'bad-text: the text is bad',
  ])
  // Of the second attempt alone.
  const interrupted = linesOf((await project.flow('logs', 'held')).stdout)
  expect([interrupted[0], interrupted.at(-1)]).toEqual(['[attempt 2]', '[interrupted]'])

  project.write('bad.txt', 'fine')
  await project.flow('run', 'w.yaml', '--only', 'bad')
  project.write('w.yaml', workflow('').replace('bad.txt', './bad.txt'))
  expect(await project.run('w.yaml', '--only', 'bad')).toMatchObject({ code: 0, reused: ['bad'] })
  expect(linesOf((await project.flow('logs', 'bad')).stdout)).toEqual(['read 4 characters'])
  expect(linesOf((await project.flow('logs', 'bad', 'latest~2')).stdout).at(-1)).toBe(
    'bad-text: the text is bad',
  )

  const unknown = await project.flow('logs', 'bda')
  expect(unknown).toMatchObject({ code: 2, stdout: '' })
  expect(unknown.stderr).toMatch(/no run that is still known has a node `bda`\n.*did you mean `bad`\?/)
  expect((await project.flow('logs', 'bad', '1999')).stderr).toContain('there is no run `1999`')
})

test('following ends when the run is killed', async () => {
  const gate = await GateServer.listen()
  const project = new TestProject({
    'w.yaml': 'nodes:\n  held: { uses: gate, in: { text: in.txt }, with: { name: held } }\n',
    'in.txt': 'text',
  })
  const running = project.start(['run', 'w.yaml'], gate.environment)
  await gate.next('held')
  const followed = project.start(['logs', 'held', '-f'])
  await followed.line((line) => line.endsWith('[no earlier result]'))
  running.killTree()
  expect((await followed.finished).code).toBe(0)
})
