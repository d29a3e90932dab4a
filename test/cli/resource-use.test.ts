import { expect, test } from 'vitest'
import type { RunState } from '../../engine/run/run-state.ts'
import type { ActionRecord } from '../../engine/store/record.ts'
import { TestProject } from './test-project.ts'

/** Holds 80 MB, computes for half a second of processor time, and lets a process of its own do the same. */
const greedy = `
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { defineStage, StageFailure, Type } from 'flow/stage'
const work = () => { for (let turn = 0; turn < 1e6; turn++) Math.random() }
const compute = 'const work = ' + work + '; while (process.cpuUsage().user < 5e5) work()'
export default defineStage({
  name: 'greedy', description: '', inputs: { text: 'text' }, outputs: { text: 'text' }, params: Type.Object({ fails: Type.Boolean() }),
  async run({ outputs, params }) {
    const held = Buffer.alloc(80e6, 1)
    const before = process.cpuUsage().user
    while (process.cpuUsage().user - before < 5e5) work()
    spawnSync(process.execPath, ['-e', compute])
    if (params.fails) throw new StageFailure({ code: 'enough', message: 'enough of it' })
    writeFileSync(outputs.text, String(held.length))
  },
})
`

test('what a node used is in its events, its record, the history and the status', async () => {
  const project = new TestProject({
    'stages/greedy/index.ts': greedy,
    'in.txt': 'x',
    'w.yaml': `nodes:
  much: { uses: greedy, in: { text: in.txt }, with: { fails: false } }
  vain: { uses: greedy, in: { text: in.txt }, with: { fails: true } }
  none: { uses: trim, in: { text: in.txt } }
`,
  })
  const run = await project.run('w.yaml')
  expect(run).toMatchObject({ code: 1, executed: ['much', 'none'] })
  const ofNode = (node: string) => {
    const events = run.events.filter(
      (event) => event.type === 'node-finished' || event.type === 'node-failed',
    )
    return events.find((event) => event.node === node)?.resourceUse
  }
  for (const node of ['much', 'vain']) {
    // Its own half second and that of the process that it started.
    expect(ofNode(node)?.cpuSeconds).toBeGreaterThanOrEqual(1)
    expect(ofNode(node)?.peakMemoryBytes).toBeGreaterThan(80e6)
    expect(ofNode(node)).not.toHaveProperty('gpuSeconds')
  }

  const records = project.files('.flow/actions').map((file) => JSON.parse(project.read(file)))
  const found = records.map((sealed) => (sealed.value ?? sealed) as ActionRecord)
  expect(found.find(({ preimage }) => preimage.stage === 'greedy')?.resourceUse).toEqual(ofNode('much'))

  const { runs } = JSON.parse((await project.flow('status', '--json')).stdout) as { runs: RunState[] }
  expect(runs[0]?.nodes.much?.resourceUse).toEqual(ofNode('much'))
  expect(runs[0]?.nodes.vain?.resourceUse).toEqual(ofNode('vain'))
  const { stdout } = await project.flow('status')
  expect(stdout).toMatch(/node +stage +state +time +cpu +memory +outputs/)
  expect(stdout).toMatch(/much +greedy +executed +[\d.]+ s +[\d.]+ s +\d+ MB +text/)
  expect(await project.flow('logs', 'much')).toMatchObject({
    stdout: expect.stringMatching(/peak memory \d+ MB, processor time \d\.\d s/),
  })

  // Reused, it uses nothing; what it would have cost is told.
  const again = await project.run('w.yaml')
  const reused = again.events.find((event) => event.type === 'node-finished' && event.node === 'much')
  expect(reused).toMatchObject({ outcome: 'reused', savedMs: expect.any(Number) })
  expect(reused).not.toHaveProperty('resourceUse')
})
