/** @file No stage outlives its engine, not even one that computes without yielding and so hears of nothing. */
import { type ChildProcess, fork } from 'node:child_process'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { flowRoot } from '../../engine/flow-root.ts'
import { compile } from '../../engine/stage/compile.ts'
import { Guard } from '../../engine/stage/guard.ts'
import { workerEntry } from '../../engine/stage/worker-entry.ts'
import { Held, holdAll } from './held.ts'
import { PluginProject, stageSource } from './plugin-project.ts'

let project: PluginProject
let held: Held
beforeEach(() => {
  project = new PluginProject({})
  held = new Held(project.at('socket'))
  const deaf = `
    if (context.params.brief) return writeFileSync(context.outputs.out, '')
    await holdAll()
    // Not forever, should nobody end it: longer than a test may take.
    for (const end = Date.now() + 120_000; Date.now() < end; ) Math.random()`
  project.write(
    'stages/probe/index.ts',
    stageSource('probe', deaf, {
      head: `import { writeFileSync } from 'node:fs'\n${holdAll(held.path)}`,
    }),
  )
})
afterEach(() => project.remove())

async function startEngine(body: string): Promise<ChildProcess> {
  project.write(
    'engine.ts',
    `import { fork } from 'node:child_process'
     import { existsSync, readdirSync, readFileSync } from 'node:fs'
     import { executeStage } from '${flowRoot}/engine/stage/execute.ts'
     import { loadCatalog } from '${flowRoot}/engine/stage/load-catalog.ts'
     const { catalog } = await loadCatalog('${project.folder}')
     const stage = catalog.stages.get('probe')!
     const task = { inputs: {}, outputs: {}, params: {}, device: 'cpu', threads: 1, checkpoint: '${project.folder}' }
     const run = (options: object) => executeStage({ stage, ...task, ...options,
       signal: new AbortController().signal, graceMs: 100, onProgress() {}, onLog() {} })
     ${body}`,
  )
  return fork((await compile(project.at('engine.ts'))).bundle, { execArgv: [] })
}

test('a stage does not outlive the engine, though it computes without yielding', async () => {
  const engine = await startEngine('await run({})')
  await held.connected(2)
  engine.kill('SIGKILL')
  await held.closed()
})

test('nor where the guard has been killed before the stage began', async () => {
  const engine = await startEngine(`
    await run({ params: { brief: true }, outputs: { out: '${project.at('out')}' } })
    const guard = readdirSync('/proc').find((pid) => {
      try {
        const [, parent] = readFileSync('/proc/' + pid + '/stat', 'utf8').split(') ').at(-1)!.split(' ')
        return parent === String(process.pid) && readFileSync('/proc/' + pid + '/cmdline', 'utf8').includes('flow-guard')
      } catch {
        return false
      }
    })
    process.kill(Number(guard), 'SIGKILL')
    while (existsSync('/proc/' + guard)) await new Promise((resolve) => setTimeout(resolve, 1))
    await run({})`)
  await held.connected(2)
  engine.kill('SIGKILL')
  await held.closed()
})

test('nor where there is no guard', async () => {
  expect(new Guard(project.at('no-shell')).watch(process.pid, 0)).toBe(false)
  const { bundle: worker } = await compile(workerEntry.file, workerEntry.root)
  const engine = await startEngine(`
    fork('${worker}', { detached: true }).send(
      { type: 'run', bundle: stage.module.bundle, task: { ...task, contents: {} }, graceMs: 100, isGuarded: false })`)
  await held.connected(2)
  engine.kill('SIGKILL')
  await held.closed()
})
