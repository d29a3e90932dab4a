/** @file Processes that start before their node is there: who gets one, and who does not. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { StageExecution } from '../../engine/stage/execute.ts'
import { WorkerPool } from '../../engine/stage/worker-pool.ts'
import { PluginProject } from './plugin-project.ts'
import { probeStage } from './probe-stage.ts'

const source = probeStage(`
    context.keep('base', 'a list', () => [], () => {})
    const { FLOW_TEST_VALUE: value, CUDA_VISIBLE_DEVICES: gpus } = process.env
    const told = { value, gpus }`)

let project: PluginProject
let toCome: number
let pool: WorkerPool
beforeEach(() => {
  project = new PluginProject({ 'base.txt': 'base', 'stages/probe/index.ts': source })
  toCome = 0
  pool = new WorkerPool({ jobs: 1, toCome: () => toCome })
})
afterEach(async () => {
  toCome = 0
  await pool.endSurplus()
  await pool.endIdle()
  project.remove()
})

interface Told {
  readonly pid: number
  readonly value?: string
  readonly gpus?: string
  readonly logs: readonly string[]
  /** Processes that are there when the node is over. */
  readonly left: readonly number[]
}

async function runNode(execution: Partial<StageExecution> = {}): Promise<Told> {
  const worker = pool.lend()
  const { logs } = await project.run('probe', {
    inputs: { base: project.at('base.txt') },
    worker,
    ...execution,
  })
  await worker.giveBack(true)
  const told = JSON.parse(readFileSync(project.at('out'), 'utf8')) as Omit<Told, 'logs' | 'left'>
  return { ...told, logs, left: workers() }
}

/** Started by this process, and not ended. */
function workers(): number[] {
  return readdirSync('/proc')
    .filter((name) => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8')
        const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        const isWorker = readFileSync(`/proc/${name}/cmdline`, 'utf8').includes('engine-stage-worker')
        return state !== 'Z' && parent === String(process.pid) && isWorker
      } catch {
        return false
      }
    })
    .map(Number)
}

test('a node gets the process that was started while the one before ran, and none is left in the end', async () => {
  toCome = 1
  const first = await runNode()
  expect(first.left).toHaveLength(1)
  expect(first.left).not.toContain(first.pid)
  toCome = 0
  const second = await runNode()
  expect(first.left).toEqual([second.pid])
  expect(second.left).toEqual([])
})

test('there are no more than nodes to come, nor than stages may run side by side', async () => {
  toCome = 100
  await runNode()
  const { left } = await runNode({ gpus: ['7'] })
  expect(left).toHaveLength(1)
  toCome = 0
  await pool.endSurplus()
  expect(workers()).toEqual([])
})

test('a node in another environment gets a process of its own, and leaves the spare one to the next', async () => {
  toCome = 2
  const { left } = await runNode()
  const environment = { ...process.env, FLOW_TEST_VALUE: 'of its own' }
  const second = await runNode({ environment })
  expect(second).toMatchObject({ value: 'of its own', left })
  const third = await runNode({ gpus: ['7'] })
  expect(third).toMatchObject({ gpus: '7', left })
  toCome = 0
  const fourth = await runNode()
  expect(left).toEqual([fourth.pid])
  expect(fourth.value).toBeUndefined()
})

test('a node after whose predecessor the environment of the engine itself changed gets a process of its own', async () => {
  toCome = 1
  const { left } = await runNode()
  process.env.FLOW_TEST_VALUE = 'changed'
  try {
    const second = await runNode()
    expect(second.value).toBe('changed')
    expect(left).not.toContain(second.pid)
  } finally {
    delete process.env.FLOW_TEST_VALUE
  }
})

test('what is kept goes before what is fresh', async () => {
  toCome = 1
  const contents = { base: 'hash of base' }
  const first = await runNode({ contents })
  const second = await runNode({ contents })
  expect(second.pid).toBe(first.pid)
})

test.each(['and was seen to end', 'unseen'])('a spare process that died, %s, is replaced', async (how) => {
  toCome = 1
  const { left } = await runNode()
  toCome = 0
  process.kill(left[0]!, 'SIGKILL')
  while (how !== 'unseen' && existsSync(`/proc/${left[0]}`))
    await new Promise((resolve) => setTimeout(resolve, 1))
  const second = await runNode()
  expect(left).not.toContain(second.pid)
  expect(second.logs).toEqual([])
})

test('a node that is cancelled when its spare process dies gets no other', async () => {
  toCome = 1
  const { left } = await runNode()
  toCome = 0
  const abort = new AbortController()
  process.kill(left[0]!, 'SIGKILL')
  const given: number[] = []
  const onProcess = (pid: number) => {
    given.push(pid)
    abort.abort()
  }
  const second = runNode({ signal: abort.signal, onProcess })
  await expect(second).rejects.toMatchObject({ name: 'StageCancelled' })
  expect(given).toEqual(left)
  expect(workers()).toEqual([])
})

test('what a spare process says before it has a stage is told as the words of its stage', async () => {
  project.write('early.cjs', "console.log('early')")
  process.env.NODE_OPTIONS = `--require ${project.at('early.cjs')}`
  try {
    toCome = 1
    const first = await runNode()
    toCome = 0
    const second = await runNode()
    expect(first.left).toEqual([second.pid])
    expect([first.logs, second.logs]).toEqual([['info: early'], ['info: early']])
  } finally {
    delete process.env.NODE_OPTIONS
  }
})
