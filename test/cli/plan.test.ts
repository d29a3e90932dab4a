import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { TestProject } from './test-project.ts'

const workflow = `name: planned
nodes:
  a: { uses: trim, in: { text: in.txt } }
  b: { uses: upper, in: { text: '\${{ nodes.a.text }}' }, with: { times: 2 } }
  c: { uses: upper, in: { text: '\${{ nodes.b.text }}' } }
  d: { uses: upper, in: { text: other.txt }, out: { text: d.txt } }
`

async function plan(project: TestProject, ...args: string[]) {
  const { code, stdout } = await project.flow('plan', '--json', 'w.yaml', ...args)
  expect(code).toBe(0)
  const document = JSON.parse(stdout) as {
    workflow: string
    nodes: { node: string; stage: string; decision: string; reason: string; key?: string }[]
  }
  return {
    ...document,
    decisions: document.nodes.map(({ node, decision, reason }) => `${node} ${decision}: ${reason}`),
  }
}

test('rule 2: plan --json gives a decision and a reason for each node, runs nothing, and does not foretell what a node will write', async () => {
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': ' x', 'other.txt': 'y' })
  const first = await plan(project)
  expect(first.workflow).toBe('planned')
  expect(first.decisions).toEqual([
    'a run: no earlier result',
    'b unknown: unknown until a has run (no earlier result)',
    'c unknown: unknown until a has run (no earlier result)',
    'd run: no earlier result',
  ])
  expect(first.nodes[0]).toEqual({
    node: 'a',
    stage: 'trim',
    decision: 'run',
    reason: 'no earlier result',
    key: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  expect(existsSync(join(project.folder, 'd.txt'))).toBe(false)

  await project.run('w.yaml')
  expect((await plan(project)).nodes.map(({ decision }) => decision)).toEqual([
    'reuse',
    'reuse',
    'reuse',
    'reuse',
  ])
  expect((await plan(project, '--set', 'nodes.b.with.times=3')).decisions).toEqual([
    'a reuse: up to date',
    'b run: params.times 2 -> 3',
    'c unknown: unknown until b has run (params.times 2 -> 3)',
    'd reuse: up to date',
  ])
  expect((await plan(project, '--refresh', 'a', '--until', 'b')).decisions).toEqual([
    'a run: asked for by --refresh',
    'b unknown: unknown until a has run (asked for by --refresh)',
  ])
})

test('a reason says where an input differs: rows, lines and files, of users and of nodes', async () => {
  const rows = Array.from({ length: 64 }, (_, row) => ({ prompt: `p${row}`, score: row }))
  const lines = (all: readonly object[]) => all.map((row) => `${JSON.stringify(row)}\n`).join('')
  const project = new TestProject({
    'w.yaml': `
nodes:
  mean: { uses: mean, in: { scores: scores.jsonl } }
  list: { uses: lister, in: { folder: folder } }
  trimmed: { uses: trim, in: { text: in.txt } }
  again: { uses: upper, in: { text: '\${{ nodes.trimmed.text }}' } }
`,
    'stages/lister/index.ts': `
import { readdirSync, writeFileSync } from 'node:fs'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'lister', description: '', inputs: { folder: 'folder' }, outputs: { names: 'text' }, params: Type.Object({}),
  light: true,
  run: async ({ inputs, outputs }) => writeFileSync(outputs.names, readdirSync(inputs.folder).join()),
})
`,
    'scores.jsonl': lines(rows),
    'folder/config.json': '{}',
    'folder/weights.bin': 'w',
    'in.txt': 'one\ntwo\nthree\n',
  })
  expect((await project.run('w.yaml')).code).toBe(0)
  const kept = project.files('.flow/outlines')
  expect(kept).toHaveLength(3)
  for (const file of kept) expect(project.read(file)).not.toContain('prompt')

  project.write('scores.jsonl', lines(rows.map((row) => (row.score === 11 ? { ...row, score: -1 } : row))))
  project.write('folder/config.json', '{"a":1}')
  project.write('in.txt', 'one\ntwo\nthree and more\n')
  expect((await plan(project)).decisions).toEqual([
    'mean run: input scores: 1 of 64 rows differs (row 12)',
    'list run: input folder: config.json changed',
    'trimmed run: input text: 1 of 3 lines differs (line 3)',
    'again unknown: unknown until trimmed has run (input text: 1 of 3 lines differs (line 3))',
  ])
  expect(project.files('.flow/outlines')).toEqual(kept)

  const run = await project.run('w.yaml')
  expect(run.events).toContainEqual(
    expect.objectContaining({
      type: 'node-started',
      node: 'again',
      reason: 'input text: 1 of 3 lines differs (line 3)',
    }),
  )
  project.write('scores.jsonl', lines(rows.slice(0, 60)))
  expect((await plan(project)).decisions[0]).toBe(
    'mean run: input scores: 1 of 64 rows differs, 4 removed (first: row 12)',
  )
})

test('rule 3: an edit anywhere in the code that a stage imports is named by its file, an edit elsewhere changes nothing', async () => {
  const project = new TestProject({
    'w.yaml': 'nodes:\n  a: { uses: counted, in: { text: in.txt } }\n',
    'in.txt': 'x',
    'stages/counted/index.ts': `
import { writeFileSync } from 'node:fs'
import { defineStage, Type } from 'flow/stage'
import { count } from '../../shared/count.ts'
export default defineStage({
  name: 'counted', description: '', inputs: { text: 'text' }, outputs: { text: 'text' }, params: Type.Object({}),
  light: true,
  run: async ({ outputs }) => writeFileSync(outputs.text, String(count())),
})
`,
    'shared/count.ts': "import { step } from './step.ts'\nexport const count = () => step + 1\n",
    'shared/step.ts': 'export const step = 1\n',
    'shared/unrelated.ts': 'export const unrelated = 1\n',
  })
  await project.run('w.yaml')
  project.write('shared/unrelated.ts', 'export const unrelated = 2\n')
  project.write('stages/upper/index.ts', `${project.read('stages/upper/index.ts')}// edited\n`)
  expect((await plan(project)).decisions).toEqual(['a reuse: up to date'])
  project.write('shared/step.ts', 'export const step = 2\n')
  expect((await plan(project)).decisions).toEqual(['a run: stage code: shared/step.ts changed'])
  expect(await project.run('w.yaml')).toMatchObject({ executed: ['a'] })
})

test('an output path may already hold what would be written there, where that is known', async () => {
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': ' x', 'other.txt': 'y' })
  await project.run('w.yaml')
  project.write('w.yaml', workflow.replace('out: { text: d.txt }', 'out: { text: e.txt }'))
  project.write('e.txt', 'Z')
  expect((await project.flow('plan', 'w.yaml')).code).toBe(2)
  project.write('e.txt', 'Y')
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: [] })
})

test('a misspelt file is named with the one that may be meant', async () => {
  const project = new TestProject({
    'w.yaml': `nodes:
  clean: { uses: trim, in: { text: texts/inn.txt } }
  more: { uses: ./rouns.yaml }
`,
    'round.yaml': 'nodes: { clean: { uses: trim, in: { text: texts/in.txt } } }\n',
    'texts/in.txt': 'text',
  })
  const used = await project.flow('plan', 'w.yaml')
  expect(used.code).toBe(2)
  expect(used.stderr).toContain('did you mean `round.yaml`?')
  project.write('w.yaml', 'nodes: { clean: { uses: trim, in: { text: texts/inn.txt } } }\n')
  const input = await project.flow('plan', 'w.yaml')
  expect(input.code).toBe(2)
  expect(input.stderr).toContain('`texts/inn.txt` does not exist')
  expect(input.stderr).toContain('did you mean `texts/in.txt`?')
})
