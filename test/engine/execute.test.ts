import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { flowRoot } from '../../engine/flow-root.ts'
import { compile } from '../../engine/stage/compile.ts'
import { Held, holdAll } from './held.ts'
import { PluginProject, stageSource } from './plugin-project.ts'

let project: PluginProject
beforeEach(() => {
  project = new PluginProject({})
})
afterEach(() => project.remove())

function write(body: string, options = {}): void {
  project.write('stages/probe/index.ts', stageSource('probe', body, options))
}

test('an expected failure crosses the process border with its details', async () => {
  write(
    `throw new StageFailure({ code: 'bad-row', message: 'row 3 is empty', hint: 'fill it', file: 'a.jsonl', line: 3 })`,
  )
  await expect(project.run('probe')).rejects.toMatchObject({
    name: 'StageFailure',
    details: { code: 'bad-row', message: 'row 3 is empty', hint: 'fill it', file: 'a.jsonl', line: 3 },
  })
})

test('a bug keeps its name and a stack that points into the TypeScript', async () => {
  project.write(
    'stages/probe/deep.ts',
    `export function deep(value: unknown): never {\n  throw new RangeError('too deep')\n}`,
  )
  write(`const { deep } = await import('./deep.ts')\ndeep(1)`)
  const error: Error = await project.run('probe').then(
    () => expect.unreachable(),
    (error) => error,
  )
  expect(error).toMatchObject({ name: 'RangeError', message: 'too deep' })
  expect(error.stack).toContain(`${project.at('stages/probe/deep.ts')}:2:9`)
  expect(error.stack).toContain(`${project.at('stages/probe/index.ts')}:`)
})

test('a stage sees the places in its sources, and the codes of what Node throws, in the stacks of its errors', async () => {
  write(
    `const stacks = [() => new RangeError('made here'), () => mkdirSync(null as never)].map((act) => {
       try { return act().stack } catch (error) { return error.stack }
     })
     writeFileSync(context.outputs.out, stacks.join('\\n'))`,
    { head: `import { mkdirSync, writeFileSync } from 'node:fs'` },
  )
  await project.run('probe')
  const stacks = readFileSync(project.at('out'), 'utf8')
  expect(stacks).toMatch(/^RangeError: made here\n/)
  expect(stacks).toMatch(/^TypeError \[ERR_INVALID_ARG_TYPE\]: The "path" argument/m)
  expect(stacks.split(`${project.at('stages/probe/index.ts')}:11:`).length).toBeGreaterThan(2)
})

test('errors that the stage does not await fail it', async () => {
  write(`setTimeout(() => { throw new Error('from a timer') }, 1)\nawait new Promise(() => {})`)
  await expect(project.run('probe')).rejects.toThrow('from a timer')
  write(`void Promise.reject(new Error('unhandled'))\nawait new Promise(() => {})`)
  await expect(project.run('probe')).rejects.toThrow('unhandled')
})

test('an output that the stage did not write is a failure', async () => {
  write('')
  await expect(project.run('probe')).rejects.toMatchObject({ details: { code: 'output-missing' } })
})

test('a process that ends without a word is a failure that says how', async () => {
  write('process.exit(7)')
  await expect(project.run('probe')).rejects.toMatchObject({
    details: { code: 'worker-exited', message: expect.stringContaining('exit code 7') },
  })
  write(`process.kill(process.pid, 'SIGKILL')\nawait new Promise(() => {})`)
  await expect(project.run('probe')).rejects.toMatchObject({
    details: {
      code: 'worker-killed',
      message: expect.stringContaining('SIGKILL'),
      hint: expect.stringContaining('memory'),
    },
  })
})

test('a process that cannot be started for want of files is told as such', async () => {
  write(`writeFileSync(context.outputs.out, 'x')`, { head: `import { writeFileSync } from 'node:fs'` })
  project.write(
    'engine.ts',
    `import { closeSync, openSync } from 'node:fs'
     import { executeStage } from '${flowRoot}/engine/stage/execute.ts'
     import { loadCatalog } from '${flowRoot}/engine/stage/load-catalog.ts'
     const { catalog } = await loadCatalog('${project.folder}')
     const run = () => executeStage({ stage: catalog.stages.get('probe')!, inputs: {}, outputs: { out: '${project.at('out')}' },
       params: {}, device: 'cpu', threads: 1, checkpoint: '', signal: new AbortController().signal, onProgress() {}, onLog() {} })
     await run()
     const taken: number[] = []
     try { for (;;) taken.push(openSync('/dev/null')) } catch {}
     // Fewer than a process takes.
     for (const file of taken.splice(0, 3)) closeSync(file)
     const error = await run().catch((error) => error)
     for (const file of taken) closeSync(file)
     console.log(error.code, error.syscall.split(' ')[0])`,
  )
  const { bundle } = await compile(project.at('engine.ts'))
  const limited = ['-c', 'ulimit -n 100 && exec "$0" "$1"', process.execPath, bundle]
  const { stdout } = spawnSync('/bin/sh', limited, { encoding: 'utf8' })
  expect(stdout).toBe('EMFILE spawn\n')
})

test('a stage that leaves timers behind ends all the same', async () => {
  write(`setInterval(() => {}, 1000)\nwriteFileSync(context.outputs.out, 'x')`, {
    head: `import { writeFileSync } from 'node:fs'`,
  })
  await project.run('probe')
  expect(readFileSync(project.at('out'), 'utf8')).toBe('x')
})

test('the last progress is never lost, though the stage never yields', async () => {
  write(
    `for (let step = 1; step <= 5000; step++) context.progress({ step, total: 5000, loss: 1 / step })
     writeFileSync(context.outputs.out, 'x')
     throw new Error('at the end')`,
    { head: `import { writeFileSync } from 'node:fs'` },
  )
  const steps: number[] = []
  await expect(project.run('probe', { onProgress: ({ step }) => steps.push(step) })).rejects.toThrow(
    'at the end',
  )
  expect(steps[0]).toBe(1)
  expect(steps.at(-1)).toBe(5000)
  expect(steps.length).toBeLessThan(500)
})

test('lines come whole, the unfinished last one too', async () => {
  write(
    `process.stdout.write('one\\ntw'); process.stdout.write('o\\nthree')
     writeFileSync(context.outputs.out, JSON.stringify([process.env.FROM_OUTSIDE, process.cwd()]))`,
    { head: `import { writeFileSync } from 'node:fs'` },
  )
  process.env.FROM_OUTSIDE = 'seen'
  const { logs } = await project.run('probe')
  expect(logs).toEqual(['info: one', 'info: two', 'info: three'])
  expect(JSON.parse(readFileSync(project.at('out'), 'utf8'))).toEqual(['seen', process.cwd()])
})

test('a cancelled stage may finish a checkpoint, and is not a result', async () => {
  write(
    `context.log('ready')
     await new Promise((resolve) => context.signal.addEventListener('abort', resolve))
     writeFileSync(context.checkpoint + '/step', 'saved')
     writeFileSync(context.outputs.out, 'not a result')`,
    { head: `import { writeFileSync } from 'node:fs'` },
  )
  const abort = new AbortController()
  const running = project.run('probe', {
    signal: abort.signal,
    onLog: (_, line) => line === 'ready' && abort.abort(),
  })
  await expect(running).rejects.toMatchObject({ name: 'StageCancelled' })
  expect(readFileSync(project.at('checkpoint/step'), 'utf8')).toBe('saved')
  await expect(project.run('probe', { signal: abort.signal })).rejects.toMatchObject({
    name: 'StageCancelled',
  })
})

test('rule 18: a stage that does not heed the cancel is killed after the grace period, with all that it started', async () => {
  const held = new Held(project.at('socket'))
  write(
    `await holdAll()
await new Promise(() => {})`,
    { head: holdAll(held.path) },
  )
  const abort = new AbortController()
  const running = project.run('probe', { signal: abort.signal, graceMs: 100 })
  await held.connected(2)
  abort.abort()
  await expect(running).rejects.toMatchObject({ name: 'StageCancelled' })
  await held.closed()
})

test('what a stage started ends with it', async () => {
  const held = new Held(project.at('socket'))
  write(
    `await holdAll()
     while (!existsSync('${project.at('go')}')) await nextTurn()
     writeFileSync(context.outputs.out, 'x')`,
    {
      head: `import { existsSync, writeFileSync } from 'node:fs'
        import { setImmediate as nextTurn } from 'node:timers/promises'
        ${holdAll(held.path)}`,
    },
  )
  const running = project.run('probe')
  await held.connected(2)
  project.write('go', '')
  await running
  await held.closed()
})
