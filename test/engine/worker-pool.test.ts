/** @file Processes that serve one node after another, and what must not pass from one to the next. */
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { StageExecution } from '../../engine/stage/execute.ts'
import { WorkerPool } from '../../engine/stage/worker-pool.ts'
import { PluginProject } from './plugin-project.ts'
import { probeStage } from './probe-stage.ts'

/** Tells its process and what it was given of the kept value; `body` is what a test has it do besides. */
const source = (body: string, head = '') =>
  probeStage(
    `const { value } = context.keep('base', 'a list', () => [], (list) => list.push('released'))
    value.push(context.params.name)
    ${body}
    const told = { kept: value }`,
    head,
  )

let project: PluginProject
let pool: WorkerPool
beforeEach(() => {
  project = new PluginProject({ 'base.txt': 'base' })
  pool = new WorkerPool({ jobs: 1 })
})
afterEach(async () => {
  await pool.endIdle()
  project.remove()
})

interface Told {
  readonly pid: number
  /** Names of the nodes that had the value before, and of this one. */
  readonly kept: readonly string[]
  readonly logs: readonly string[]
}

interface NodeOptions extends Partial<StageExecution> {
  readonly content?: string
  /** Whether its result could be committed. */
  readonly isGood?: boolean
}

/** Runs the stage for a node, as the engine does. */
async function runNode(name: string, options: NodeOptions = {}): Promise<Told> {
  const { content = 'hash of base', isGood = true, ...execution } = options
  const worker = pool.lend()
  try {
    const { logs } = await project.run('probe', {
      params: { name },
      inputs: { base: project.at('base.txt') },
      contents: { base: content },
      worker,
      ...execution,
    })
    await worker.giveBack(isGood)
    return { ...(JSON.parse(readFileSync(project.at('out'), 'utf8')) as Omit<Told, 'logs'>), logs }
  } catch (error) {
    await worker.giveBack(false)
    throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('a process serves one node after another, keeps what they read, and tells each what is its own', async () => {
  project.write(
    'stages/probe/index.ts',
    source(
      'console.log(`line of ${context.params.name}`); process.stdout.write(`rest of ${context.params.name}`)',
    ),
  )
  const first = await runNode('first')
  const second = await runNode('second')
  expect(second).toEqual({
    pid: first.pid,
    kept: ['first', 'second'],
    logs: ['info: line of second', 'info: rest of second'],
  })
  expect(first.logs).toEqual(['info: line of first', 'info: rest of first'])
  await pool.endIdle()
  expect(isAlive(first.pid)).toBe(false)
})

describe('it gets a process of its own', () => {
  beforeEach(() => project.write('stages/probe/index.ts', source('')))

  const others: Readonly<Record<string, () => Promise<Told>>> = {
    'that reads something else': () => runNode('second', { content: 'hash of another base' }),
    'with a GPU of its own': () => runNode('second', { gpus: ['7'] }),
    'in another environment': async () => {
      process.env.FLOW_TEST_VALUE = 'other'
      try {
        return await runNode('second')
      } finally {
        delete process.env.FLOW_TEST_VALUE
      }
    },
    'whose code was compiled anew': () => {
      project.write('stages/probe/index.ts', source("console.log('anew')"))
      return runNode('second')
    },
  }
  test.each(Object.entries(others))('a node %s', async (_, run) => {
    const first = await runNode('first')
    const second = await run()
    expect(second.pid).not.toBe(first.pid)
    expect(second.kept).toEqual(['second'])
    // No more processes than stages may run.
    expect(isAlive(first.pid)).toBe(false)
  })

  test('the node after one whose result is not believed', async () => {
    const first = await runNode('first', { isGood: false })
    expect(isAlive(first.pid)).toBe(false)
    expect((await runNode('second')).kept).toEqual(['second'])
  })

  test('every node of an isolated run', async () => {
    pool = new WorkerPool({ jobs: 1, isolate: true })
    const first = await runNode('first')
    expect(isAlive(first.pid)).toBe(false)
    expect((await runNode('second')).kept).toEqual(['second'])
  })

  test('the node after one that left much memory in use', async () => {
    pool = new WorkerPool({ jobs: 1, idleBytes: 2 ** 20 })
    const first = await runNode('first')
    expect(isAlive(first.pid)).toBe(false)
  })

  test('the node after one whose process was killed while it waited', async () => {
    const first = await runNode('first')
    process.kill(first.pid, 'SIGKILL')
    expect((await runNode('second')).kept).toEqual(['second'])
  })
})

const leftovers: Readonly<Record<string, readonly [body: string, told: string]>> = {
  'another working folder': ["process.chdir('/')", 'another working folder'],
  'another environment': ["process.env.LEFT = 'there'", 'another environment'],
  'a timer': ['setInterval(() => {}, 1000)', 'an open Timeout'],
  'a listener': ["process.on('SIGUSR2', () => {})", "a listener of the process's SIGUSR2"],
  'a process': ["spawn('sleep', ['60'], { stdio: 'ignore' }).unref()", 'a process that it started'],
}

test.each(Object.entries(leftovers))(
  'a stage that leaves %s behind ends its process, and the next finds none of it',
  async (_, [body, told]) => {
    project.write(
      'stages/probe/index.ts',
      source(
        `if (context.params.name === 'first') { ${body} }
         else console.log(process.cwd() + ' ' + process.env.LEFT + ' ' + process.listenerCount('SIGUSR2'))`,
        "import { spawn } from 'node:child_process'",
      ),
    )
    const first = await runNode('first')
    expect(first.logs).toEqual([`info: the stage leaves ${told} behind: its process ends with it`])
    expect(isAlive(first.pid)).toBe(false)
    const second = await runNode('second')
    expect(second).toMatchObject({ kept: ['second'], logs: [`info: ${process.cwd()} undefined 0`] })
  },
)

test('what a stage does once it is over touches no later node, and ends the process after that one', async () => {
  // The next node's work waits for what the first one left, which nobody sees before it happens.
  project.write(
    'stages/probe/index.ts',
    source(`
      if (context.params.name === 'first') {
        setInterval(() => {
          if (!globalThis.secondRuns) return
          globalThis.haunted()
          console.log('a line too late')
          context.log('a line too late')
          context.progress({ step: 99 })
          void Promise.reject(new Error('unhandled'))
          throw new Error('thrown too late')
        }, 1).unref()
      } else if (context.params.name === 'second') {
        globalThis.secondRuns = true
        await new Promise((resolve) => { globalThis.haunted = resolve })
        for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
        console.log('its own line')
      }`),
  )
  const first = await runNode('first')
  const second = await runNode('second')
  expect(second.pid).toBe(first.pid)
  // What is printed and what is logged come by two ways.
  expect([...second.logs].sort()).toEqual([
    'info: its own line',
    'info: the stage leaves something that goes on behind: its process ends with it',
  ])
  expect((await runNode('third')).kept).toEqual(['third'])
})

test('a process that dies at work fails its node alone', async () => {
  project.write(
    'stages/probe/index.ts',
    source("if (context.params.name === 'second') process.kill(process.pid, 'SIGKILL')"),
  )
  const first = await runNode('first')
  await expect(runNode('second')).rejects.toMatchObject({ details: { code: 'worker-killed' } })
  expect(isAlive(first.pid)).toBe(false)
  expect((await runNode('third')).kept).toEqual(['third'])
})

test('a failed or cancelled node takes its process with it', async () => {
  project.write(
    'stages/probe/index.ts',
    source(`
      if (context.params.name === 'bad') throw new Error('bad')
      if (context.params.name === 'slow') {
        context.log('ready')
        await new Promise((resolve) => context.signal.addEventListener('abort', resolve))
      }`),
  )
  const first = await runNode('first')
  await expect(runNode('bad')).rejects.toThrow('bad')
  expect(isAlive(first.pid)).toBe(false)
  const second = await runNode('second')
  expect(second.kept).toEqual(['second'])
  const abort = new AbortController()
  const slow = runNode('slow', {
    signal: abort.signal,
    onLog: (_, line) => line === 'ready' && abort.abort(),
  })
  await expect(slow).rejects.toMatchObject({ name: 'StageCancelled' })
  expect(isAlive(second.pid)).toBe(false)
})

test('two jobs have two processes, and never three', async () => {
  project.write(
    'stages/probe/index.ts',
    source(
      "context.log('ready'); while (!existsSync(context.params.go)) await new Promise((resolve) => setTimeout(resolve, 5))",
      "import { existsSync } from 'node:fs'",
    ),
  )
  pool = new WorkerPool({ jobs: 2 })
  const both = await Promise.all(
    ['one', 'other'].map(async (name) => {
      const outputs = { out: project.at(name) }
      const worker = pool.lend()
      const started = { params: { name, go: project.at('go') }, outputs, worker }
      const onLog = (_: unknown, line: string) =>
        line === 'ready' && ready.delete(name) && ready.size === 0 && project.write('go', '')
      await project.run('probe', {
        ...started,
        inputs: { base: project.at('base.txt') },
        contents: { base: 'hash of base' },
        onLog,
      })
      await worker.giveBack(true)
      return (JSON.parse(readFileSync(outputs.out, 'utf8')) as Told).pid
    }),
  )
  expect(new Set(both).size).toBe(2)
  const third = await runNode('third', {
    params: { name: 'third', go: project.at('go') },
    content: 'hash of another base',
  })
  expect(both.filter(isAlive)).toHaveLength(1)
  expect(both).not.toContain(third.pid)
})
const ready = new Set(['one', 'other'])

test('a stage keeps only what is an input of one value', async () => {
  project.write('stages/probe/index.ts', source('').replace("keeps: ['base']", "keeps: ['bass']"))
  await expect(runNode('first')).rejects.toThrow()
  const { loadCatalog } = await import('../../engine/stage/load-catalog.ts')
  const { diagnostics } = await loadCatalog(project.folder)
  expect(diagnostics).toMatchObject([
    { code: 'invalid-stage', message: "keeps names 'bass', which is no input that takes one value" },
  ])
})
