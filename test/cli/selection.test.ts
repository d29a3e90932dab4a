import { expect, test } from 'vitest'
import { TestProject } from './test-project.ts'

const workflow = `nodes:
  a: { uses: trim, in: { text: in.txt } }
  b: { uses: upper, in: { text: '\${{ nodes.a.text }}' } }
  c: { uses: upper, in: { text: '\${{ nodes.b.text }}' }, with: { times: 2 } }
  d: { uses: upper, in: { text: '\${{ nodes.a.text }}' }, with: { times: 3 } }
`

function project(): TestProject {
  return new TestProject({ 'w.yaml': workflow, 'in.txt': 'x' })
}

test('--until takes a node and what it depends on; --from what depends on it, if the rest is in the store', async () => {
  const flow = project()
  const early = await flow.flow('run', 'w.yaml', '--from', 'b')
  expect(early).toMatchObject({ code: 2, stdout: '' })
  expect(early.stderr).toContain('w.yaml:2:3: error[missing-upstream]')
  expect(early.stderr).toContain('`a`')

  const until = await flow.run('w.yaml', '--until', 'b')
  expect(until).toMatchObject({ code: 0, executed: ['a', 'b'] })
  expect(until.events.at(-1)).toMatchObject({ nodes: { executed: 2, skipped: 2 } })
  expect(until.events).toContainEqual({ type: 'node-skipped', node: 'c', because: 'not-selected' })
  expect(await flow.run('w.yaml', '--from', 'b')).toMatchObject({ code: 0, executed: ['c'], reused: ['b'] })
  expect(await flow.run('w.yaml')).toMatchObject({ code: 0, executed: ['d'] })
})

test('--only takes one node; --from with --until what lies between', async () => {
  const flow = project()
  expect((await flow.run('w.yaml', '--only', 'c')).code).toBe(2)
  await flow.run('w.yaml', '--until', 'b')
  expect(await flow.run('w.yaml', '--only', 'd')).toMatchObject({ code: 0, executed: ['d'] })
  expect(await flow.run('w.yaml', '--from', 'a', '--until', 'c')).toMatchObject({
    executed: ['c'],
    reused: ['a', 'b'],
  })
  const none = await flow.flow('run', 'w.yaml', '--from', 'd', '--until', 'c')
  expect(none.code).toBe(2)
  expect(none.stderr).toContain('no node lies between')
  const mistyped = await flow.flow('run', 'w.yaml', '--only', 'e', '--from', 'a')
  expect(mistyped.stderr).toContain('error[unknown-node]')
  expect(mistyped.stderr).toContain('error[option-conflict]')
})

test('--refresh runs all that is selected, --refresh NODE that one alone', async () => {
  const flow = project()
  await flow.run('w.yaml')
  expect(await flow.run('w.yaml', '--refresh', 'a')).toMatchObject({
    executed: ['a'],
    reused: ['b', 'c', 'd'],
  })
  expect(await flow.run('--refresh', 'w.yaml')).toMatchObject({ executed: ['a', 'b', 'c', 'd'] })
  expect(await flow.run('w.yaml', '--refresh', '--only', 'b')).toMatchObject({ executed: ['b'] })
  expect((await flow.flow('run', 'w.yaml', '--refresh', 'x')).code).toBe(2)
})

test('--refresh tells of a stage that does not give the same bytes again', async () => {
  const flow = project()
  flow.write(
    'stages/moody/index.ts',
    `
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'moody', description: '', inputs: { text: 'text' }, outputs: { text: 'text' }, params: Type.Object({}), light: true,
  run: ({ outputs }) => writeFile(outputs.text, randomUUID()),
})
`,
  )
  flow.write(
    'm.yaml',
    `nodes:
  moody: { uses: moody, in: { text: in.txt }, out: { text: moody.txt } }
  after: { uses: upper, in: { text: '\${{ nodes.moody.text }}' } }
`,
  )
  await flow.run('m.yaml')
  const first = flow.read('moody.txt')
  expect(await flow.run('m.yaml')).toMatchObject({ executed: [] })
  const refreshed = await flow.run('m.yaml', '--refresh', 'moody')
  expect(refreshed).toMatchObject({ code: 0, executed: ['after', 'moody'] })
  expect(refreshed.events).toContainEqual(
    expect.objectContaining({ type: 'warning', message: expect.stringContaining('moody wrote other bytes') }),
  )
  expect(flow.read('moody.txt')).not.toBe(first)
  expect(await flow.run('m.yaml')).toMatchObject({ executed: [] })
})
