import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { FlowEvent } from '../../engine/events/event.ts'
import { TestProject, withEvents } from './test-project.ts'

/** Silent until the file `go` is there: asleep, or computing all the while. */
const silent = `
import { existsSync, watch, writeFileSync } from 'node:fs'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'silent', description: '', inputs: {}, outputs: { text: 'text' },
  params: Type.Object({ go: Type.String(), computes: Type.Boolean() }),
  async run({ outputs, params, signal }) {
    const { go, computes } = params
    if (computes) while (!existsSync(go)) for (let turn = 0; turn < 1e6; turn++) Math.random()
    else await new Promise((resolve) => {
      const watcher = watch(go.replace('/go', ''), () => existsSync(go) && resolve(undefined))
      signal.addEventListener('abort', () => resolve(undefined))
      void watcher
    })
    writeFileSync(outputs.text, 'done')
  },
})
`

function heartbeat(line: string): (FlowEvent & { type: 'node-heartbeat' }) | undefined {
  const event = JSON.parse(line) as FlowEvent
  return event.type === 'node-heartbeat' ? event : undefined
}

function project(computes: boolean, stall: string): TestProject {
  const made = new TestProject({ 'stages/silent/index.ts': silent })
  const go = join(made.folder, 'signals/go')
  made.write('signals/README', '')
  made.write(
    'w.yaml',
    `nodes:\n  quiet: { uses: silent, with: { go: ${go}, computes: ${computes} }, stall: ${stall} }\n`,
  )
  return made
}

test('rule 21: a node that neither says nor computes anything is told to have stalled, and is not ended', async () => {
  const made = project(false, '400ms')
  const running = made.start(['run', '--json', 'w.yaml'])
  const line = await running.line((text) => heartbeat(text)?.stalledMs !== undefined)
  const beat = heartbeat(line!)!
  expect(beat).toMatchObject({ node: 'quiet' })
  expect(beat.stalledMs).toBeGreaterThanOrEqual(400)
  expect(beat.silentMs).toBeGreaterThanOrEqual(400)
  made.write('signals/go', '')
  expect(withEvents(await running.finished)).toMatchObject({ code: 0, executed: ['quiet'] })
  const { stdout } = await made.flow('logs', 'quiet')
  expect(stdout).toMatch(/\[stalled: no progress, output or processor time for \d\.\d s\]/)
})

test('rule 21: a node that says nothing but computes is told with what it uses, and has not stalled', async () => {
  const made = project(true, '1s')
  const running = made.start(['run', '--json', 'w.yaml'])
  const isLate = (text: string) => (heartbeat(text)?.silentMs ?? 0) > 2500
  const beat = heartbeat((await running.line(isLate))!)!
  expect(beat.cores).toBeGreaterThan(0)
  expect(beat.memoryBytes).toBeGreaterThan(2 ** 20)
  made.write('signals/go', '')
  const run = withEvents(await running.finished)
  expect(run).toMatchObject({ code: 0, executed: ['quiet'] })
  expect(
    run.events.filter((event) => event.type === 'node-heartbeat' && event.stalledMs !== undefined),
  ).toEqual([])
})

test('the plain view says once that a node has stalled', async () => {
  const made = project(false, '300ms')
  const running = made.start(['run', 'w.yaml'])
  expect(await running.line((line) => line.includes('stalled: no progress'))).toMatch(/^quiet {2}stalled: /)
  made.write('signals/go', '')
  const { stdout } = await running.finished
  expect(stdout.match(/stalled: /g)).toHaveLength(1)
})
