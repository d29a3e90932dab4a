import { expect, test } from 'vitest'
import { TestProject } from './test-project.ts'

const workflow = `name: planned
nodes:
  a: { uses: trim, in: { text: in.txt } }
  b: { uses: upper, in: { text: '\${{ nodes.a.text }}' }, with: { times: 2 } }
  c: { uses: upper, in: { text: '\${{ nodes.b.text }}' } }
  d: { uses: upper, in: { text: other.txt }, out: { text: d.txt } }
`

async function explain(project: TestProject, ...args: string[]) {
  const { code, stdout } = await project.flow('explain', '--json', ...args)
  expect(code).toBe(0)
  return JSON.parse(stdout)
}

test('rule 1: explain shows the change, the key and what it is made of', async () => {
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': ' x', 'other.txt': 'y' })
  await project.run('w.yaml')
  const same = await project.flow('explain', 'b')
  expect(same.code).toBe(0)
  expect(same.stdout).toMatch(
    /^b \(upper\): reuse, up to date\nkey [0-9a-f]{64}\n\nmade by b in w\.yaml, run \S+, .* UTC, just now\nnothing changed since its previous run\n/,
  )
  expect(same.stdout).toContain('params.times 2')

  const changed = await project.flow('explain', 'b', 'w.yaml', '--json', '--set', 'nodes.b.with.times=3')
  expect(JSON.parse(changed.stdout)).toMatchObject({
    node: 'b',
    decision: 'run',
    reason: 'params.times 2 -> 3',
    changes: ['params.times 2 -> 3'],
    preimage: { stage: 'upper', params: { times: 3 } },
    previous: { params: { times: 2 } },
  })
  project.write('in.txt', 'new')
  const unknown = await project.flow('explain', 'c')
  expect(unknown.stdout).toContain(
    'c (upper): unknown, unknown until a has run (input text: its only line differs)',
  )
  expect(unknown.stdout).toContain(
    'nothing else changed since its previous run\n\nnot known yet: input text\n',
  )
  const mistyped = await project.flow('explain', 'bb')
  expect(mistyped.code).toBe(2)
  expect(mistyped.stderr).toContain('did you mean `b`?')
})

test('rule 15: a value of an environment variable is part of the key and never shown', async () => {
  const project = new TestProject({
    'w.yaml': 'nodes:\n  a: { uses: secretive, in: { text: in.txt } }\n',
    'in.txt': 'x',
    'stages/secretive/index.ts': `
import { copyFile } from 'node:fs/promises'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'secretive', description: '', inputs: { text: 'text' }, outputs: { text: 'text' }, params: Type.Object({}),
  environment: ['TEST_TOKEN'], light: true,
  run: ({ inputs, outputs }) => copyFile(inputs.text, outputs.text),
})
`,
  })
  expect((await project.start(['run', 'w.yaml'], { TEST_TOKEN: 'first-secret' }).finished).code).toBe(0)
  const explained = await project.start(['explain', 'a', '--json'], { TEST_TOKEN: 'second-secret' }).finished
  expect(JSON.parse(explained.stdout)).toMatchObject({
    decision: 'run',
    changes: ['environment TEST_TOKEN changed'],
  })
  expect(explained.stdout).not.toContain('secret"')
  for (const file of project.files('.flow')) expect(project.read(file)).not.toContain('first-secret')
})

test('explain compares with the nearest earlier result, whichever run or node made it', async () => {
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': ' x', 'other.txt': 'one\ntwo' })
  const first = await project.run('w.yaml', '--only', 'd')
  await project.run('w.yaml', '--only', 'd', '--set', 'nodes.d.with.times=5')
  project.write('other.txt', 'one\n2')
  const runId = first.events[0]?.type === 'run-started' ? first.events[0].runId : undefined
  const explained = await explain(project, 'd', 'w.yaml')
  expect(explained).toMatchObject({
    decision: 'run',
    reason: 'input text: 1 of 2 lines differs (line 2) (and 1 more change)',
    nearest: {
      run: { runId, node: 'd', file: 'w.yaml' },
      differences: [
        {
          part: 'input',
          port: 'text',
          change: 'changed',
          text: 'input text: 1 of 2 lines differs (line 2)',
          content: { unit: 'line', changed: 1, added: 0, removed: 0, first: 2 },
        },
      ],
    },
    latest: { differences: [{ part: 'input' }, { part: 'params', name: 'times', before: 5, after: 1 }] },
  })
  expect(explained.nearest.preimage.params).toEqual({ times: 1 })

  project.write('v.yaml', 'nodes:\n  other: { uses: upper, in: { text: other.txt }, with: { times: 4 } }\n')
  const { stdout } = await project.flow('explain', 'other', 'v.yaml')
  expect(stdout).toMatch(/^2 differences to the nearest earlier result: d in w\.yaml, run \S+, /m)
  expect(stdout).toContain('  input text: 1 of 2 lines differs (line 2)\n  params.times ')
  expect(stdout).toContain('no previous run of its own')
})

test('rule 2: of a node whose inputs are still to be made, explain compares all the rest', async () => {
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': ' x', 'other.txt': 'y' })
  await project.run('w.yaml')
  project.write('in.txt', 'new')
  const explained = await explain(project, 'b', 'w.yaml', '--set', 'nodes.b.with.times=3')
  expect(explained).toMatchObject({
    decision: 'unknown',
    until: ['a'],
    unknownInputs: ['text'],
    latest: { differences: [{ text: 'params.times 2 -> 3' }] },
  })
  expect(explained).not.toHaveProperty('key')
})
