import { renameSync } from 'node:fs'
import { expect, test } from 'vitest'
import type { FlowEvent } from '../../engine/events/event.ts'
import type { WatchEvent } from '../../engine/events/watch-event.ts'
import { GateServer } from './gate-server.ts'
import { type RunningFlow, TestProject } from './test-project.ts'

type AnyEvent = FlowEvent | WatchEvent

/** `flow watch --json w.yaml`, followed event by event. */
class Watch {
  readonly running: RunningFlow
  #read = 0

  constructor(project: TestProject, environment: Readonly<Record<string, string>> = {}) {
    this.running = project.start(['watch', '--json', '--jobs', '2', 'w.yaml'], environment)
  }

  /** The events from where the last call ended up to the next one of this type. */
  async until<T extends AnyEvent['type']>(
    type: T,
    test: (event: AnyEvent & { readonly type: T }) => boolean = () => true,
  ): Promise<{ readonly events: readonly AnyEvent[]; readonly last: AnyEvent & { readonly type: T } }> {
    const from = this.#read
    const isIt = (event: AnyEvent): event is AnyEvent & { readonly type: T } =>
      event.type === type && test(event as AnyEvent & { readonly type: T })
    let at = -1
    await this.running.line((line, index) => {
      const found = index >= from && isIt(JSON.parse(line))
      if (found) at = index
      return found
    })
    if (at < 0) throw new Error(`it ended without ${type}: ${(await this.running.finished).stderr}`)
    this.#read = at + 1
    const events = this.running.lines.slice(from, at + 1).map((line) => JSON.parse(line) as AnyEvent)
    return { events, last: events.at(-1) as AnyEvent & { readonly type: T } }
  }

  /** One cycle: from where the last call ended until nothing runs. */
  async cycle(): Promise<{ executed: string[]; reused: string[]; changes: string[][] }> {
    const { events } = await this.until('watching')
    const outcome = (wanted: string) =>
      events.flatMap((event) =>
        event.type === 'node-finished' && event.outcome === wanted ? [String(event.node)] : [],
      )
    return {
      executed: outcome('executed').sort(),
      reused: outcome('reused').sort(),
      changes: events.flatMap((event) =>
        event.type === 'files-changed' ? [event.files.map(({ path }) => path)] : [],
      ),
    }
  }

  async end(): Promise<number | null> {
    this.running.process.kill('SIGINT')
    return (await this.running.finished).code
  }
}

const chain = (times: number) => `nodes:
  first: { uses: trim, in: { text: data/in.txt }, out: { text: out/first.txt } }
  last:  { uses: upper, in: { text: '\${{ nodes.first.text }}' }, with: { times: ${times} }, out: { text: out/last.txt } }
`

test('a change to data, the workflow or a stage reruns what it affects, and nothing that Flow writes does', async () => {
  const project = new TestProject({ 'w.yaml': chain(1), 'data/in.txt': ' a ' })
  const watch = new Watch(project)
  expect(await watch.cycle()).toEqual({ executed: ['first', 'last'], reused: [], changes: [] })

  project.write('data/in.txt', ' b ')
  expect(await watch.cycle()).toEqual({
    executed: ['first', 'last'],
    reused: [],
    changes: [['data/in.txt']],
  })
  expect(project.read('out/last.txt')).toBe('B')

  // The same content after trimming: the rerun stops there.
  project.write('data/in.txt', '  b  ')
  expect(await watch.cycle()).toMatchObject({ executed: ['first'], reused: ['last'] })

  project.write('w.yaml', chain(2))
  expect(await watch.cycle()).toEqual({ executed: ['last'], reused: ['first'], changes: [['w.yaml']] })
  expect(project.read('out/last.txt')).toBe('BB')

  const stage = project.read('stages/upper/index.ts')
  project.write('stages/upper/index.ts', stage.replace('toUpperCase', 'toLowerCase'))
  expect(await watch.cycle()).toEqual({
    executed: ['last'],
    reused: ['first'],
    changes: [['stages/upper/index.ts']],
  })
  expect(project.read('out/last.txt')).toBe('bb')
  expect(await watch.end()).toBe(0)
})

test('files of which a workflow is made are watched, and folders of data; so is what is not there yet', async () => {
  const project = new TestProject({
    'w.yaml': `nodes:
  part: { uses: ./parts/part.yaml, in: { text: in.txt } }
  text: { uses: upper, in: { text: later/text.txt } }
`,
    'parts/part.yaml': `inputs: { text: { type: text } }
nodes:
  trim: { uses: trim, in: { text: '\${{ inputs.text }}' } }
outputs: { text: '\${{ nodes.trim.text }}' }
`,
    'in.txt': ' a ',
  })
  const watch = new Watch(project)
  const { last } = await watch.until('invalid')
  expect(last.diagnostics).toMatchObject([{ code: 'missing-file', line: 3 }])
  await watch.until('watching')
  project.write('later/text.txt', 'x')
  expect(await watch.cycle()).toEqual({
    executed: ['part/trim', 'text'],
    reused: [],
    changes: [['later/text.txt']],
  })
  project.write('parts/part.yaml', project.read('parts/part.yaml').replace('uses: trim', 'uses: upper'))
  expect(await watch.cycle()).toEqual({
    executed: ['part/trim'],
    reused: ['text'],
    changes: [['parts/part.yaml']],
  })
  expect(await watch.end()).toBe(0)
})

const twoGates = (name: string) => `nodes:
  one:  { uses: gate, in: { text: one.txt }, with: { name: ${name} } }
  two:  { uses: gate, in: { text: two.txt }, with: { name: two } }
  both: { uses: join, in: { texts: ['\${{ nodes.one.text }}', '\${{ nodes.two.text }}'] }, out: { text: both.txt } }
`

/** Both nodes run, held open. */
async function twoHeld() {
  const gate = await GateServer.listen()
  const project = new TestProject({ 'w.yaml': twoGates('one'), 'one.txt': '1', 'two.txt': '2' })
  const watch = new Watch(project, gate.environment)
  const [one, two] = [await gate.next('one'), await gate.next('two')]
  return { gate, project, watch, one, two }
}

test('a change during a run stops only what it makes stale; the rest goes on and is executed once', async () => {
  const { gate, project, watch, two } = await twoHeld()
  project.write('one.txt', '11')
  expect((await watch.until('files-changed')).last).toMatchObject({ stopped: ['one'], kept: ['two'] })
  two.answer('go')
  // Had it been started anew, it would wait at the gate.
  await watch.until('node-finished', ({ node, outcome }) => node === 'two' && outcome === 'executed')
  ;(await gate.next('one')).answer('go')
  expect(await watch.cycle()).toMatchObject({ executed: ['both', 'one'], changes: [] })
  expect(project.read('both.txt')).toBe('11+2')
  expect(await watch.end()).toBe(0)
})

test('a node that goes on may bear another name by then', async () => {
  const { project, watch, one, two } = await twoHeld()
  project.write('w.yaml', twoGates('one').replace('  one: ', '  uno: ').replace('nodes.one', 'nodes.uno'))
  const { last } = await watch.until('files-changed')
  expect(last).toMatchObject({ stopped: [] })
  expect([...last.kept].sort()).toEqual(['one', 'two'])
  one.answer('go')
  two.answer('go')
  expect(await watch.cycle()).toMatchObject({ executed: ['both', 'two', 'uno'] })
  expect(project.read('both.txt')).toBe('1+2')
  expect(await watch.end()).toBe(0)
})

test('a workflow that is broken for a moment is told and waited for, and what runs goes on', async () => {
  const { project, watch, one, two } = await twoHeld()
  project.write('w.yaml', twoGates('one').replace('uses: join', 'uses: joint'))
  expect((await watch.until('files-changed')).last).toMatchObject({ stopped: [] })
  expect((await watch.until('invalid')).last.diagnostics).toMatchObject([{ code: 'unknown-stage', line: 4 }])
  two.answer('go')
  await watch.until('node-finished', ({ node }) => node === 'two')
  project.write('w.yaml', twoGates('one'))
  expect((await watch.until('files-changed')).last).toMatchObject({ stopped: [], kept: ['one'] })
  one.answer('go')
  expect(await watch.cycle()).toMatchObject({ executed: ['both', 'one'], reused: ['two'] })
  expect(await watch.end()).toBe(0)
})

test('changes that come together are one, also those of editors that replace a file', async () => {
  const project = new TestProject({
    'w.yaml': `nodes:
  one: { uses: trim, in: { text: one.txt } }
  two: { uses: trim, in: { text: two.txt } }
`,
    'one.txt': '1',
    'two.txt': '2',
  })
  const watch = new Watch(project)
  await watch.cycle()
  project.write('one.txt', '')
  project.write('one.txt.new', '11')
  renameSync(`${project.folder}/two.txt`, `${project.folder}/two.txt~`)
  project.write('two.txt', '22')
  renameSync(`${project.folder}/one.txt.new`, `${project.folder}/one.txt`)
  expect(await watch.cycle()).toEqual({
    executed: ['one', 'two'],
    reused: [],
    changes: [['one.txt', 'two.txt']],
  })
  expect(await watch.end()).toBe(0)
})

test('Ctrl-C while nodes run lets them write a checkpoint, and says so by the exit code', async () => {
  const { gate, project, watch } = await twoHeld()
  expect(await watch.end()).toBe(130)
  const again = new Watch(project, gate.environment)
  for (const name of ['one', 'two']) (await gate.next(name)).answer('go')
  const { events } = await again.until('watching')
  expect(events).toContainEqual(expect.objectContaining({ type: 'node-log', message: 'resumed: one' }))
  expect(await again.end()).toBe(0)
})

test('in a log each run is a block that says what changed', async () => {
  const project = new TestProject({ 'w.yaml': chain(1), 'data/in.txt': ' a ' })
  const running = project.start(['watch', 'w.yaml'])
  const watching = (line: string) => /^watching \d+ files; Ctrl-C ends it$/.test(line)
  await running.line(watching)
  project.write('w.yaml', chain(3))
  await running.line((line, index) => watching(line) && index > running.lines.findIndex(watching))
  running.process.kill('SIGINT')
  const { code, stdout, stderr } = await running.finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(stdout.split('\n\n')[1]).toMatch(
    /^w\.yaml changed\nw \(w\.yaml\): 2 nodes\nfirst {2}reused: up to date\nlast {3}running: params\.times 1 -> 3\n/,
  )
})

test('a file that is not there is an error of the command line', async () => {
  const project = new TestProject({})
  expect(await project.flow('watch', 'none.yaml')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('error[unreadable-workflow]'),
  })
})
