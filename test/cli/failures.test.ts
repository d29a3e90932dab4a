import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { GateServer } from './gate-server.ts'
import { TestProject } from './test-project.ts'

test('rule 19: a failed node stops its dependants only, and the last lines name the cause', async () => {
  const project = new TestProject({
    'w.yaml': `nodes:
  bad:   { uses: fussy, in: { text: bad.txt } }
  after: { uses: upper, in: { text: good.txt } }
  then:  { uses: join, in: { texts: ['\${{ nodes.late.text }}', '\${{ nodes.after.text }}'] } }
  late:  { uses: echo-rows, in: { rows: '\${{ nodes.bad.rows }}' } }
`,
    'stages/echo-rows/index.ts': `
import { copyFile } from 'node:fs/promises'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'echo-rows', description: '', inputs: { rows: 'jsonl' }, outputs: { text: 'text' }, params: Type.Object({}), light: true,
  run: ({ inputs, outputs }) => copyFile(inputs.rows, outputs.text),
})
`,
    'bad.txt': 'bad',
    'good.txt': 'good',
  })
  const run = await project.run('w.yaml')
  expect(run).toMatchObject({ code: 1, executed: ['after'] })
  expect(run.events).toContainEqual(
    expect.objectContaining({
      type: 'node-failed',
      node: 'bad',
      failure: { code: 'bad-text', message: 'the text is bad', hint: 'use a good one' },
    }),
  )
  const skipped = run.events.filter((event) => event.type === 'node-skipped')
  expect(skipped.map(({ node, because }) => [node, because])).toEqual([
    ['late', 'bad'],
    ['then', 'bad'],
  ])
  expect(run.events.at(-1)).toMatchObject({
    ok: false,
    nodes: { executed: 1, reused: 0, failed: 1, skipped: 2 },
  })

  const plain = await project.flow('run', 'w.yaml')
  expect(plain.code).toBe(1)
  const last = plain.stdout.trimEnd().split('\n').slice(-3)
  expect(last[0]).toBe('error[bad-text]: bad: the text is bad')
  expect(last[1]).toBe('  hint: use a good one')
  const log = /^ {2}log: {2}(\.flow\/.*)$/.exec(last[2] ?? '')?.[1] ?? ''
  expect(project.read(log)).toMatch(/read 3 characters\n.*bad-text: the text is bad/)

  project.write('bad.txt', 'fine')
  expect(await project.run('w.yaml')).toMatchObject({
    code: 0,
    executed: ['bad', 'late', 'then'],
    reused: ['after'],
  })
})

test('a bug in a stage keeps its trace into the TypeScript', async () => {
  const gate = await GateServer.listen()
  const project = new TestProject({
    'w.yaml': 'nodes:\n  held: { uses: gate, in: { text: in.txt }, with: { name: held } }\n',
    'in.txt': 'x',
  })
  const running = project.start(['run', 'w.yaml'], gate.environment)
  ;(await gate.next('held')).answer('throw')
  const { code, stdout } = await running.finished
  expect(code).toBe(1)
  expect(stdout).toContain('TypeError: a bug in the stage')
  expect(stdout).toMatch(/stages\/gate\/index\.ts:\d+/)
})

test('a wrong workflow: exit code 2, positions in text and JSON, and nothing ran', async () => {
  const project = new TestProject({
    'w.yaml': `nodes:
  one: { uses: uper, in: { text: in.txt } }
  two: { uses: upper, in: { text: '\${{ nodes.on.text }}' } }
`,
    'in.txt': 'x',
  })
  const plain = await project.flow('run', 'w.yaml')
  expect(plain).toMatchObject({ code: 2, stdout: '' })
  expect(plain.stderr).toContain('w.yaml:2:16: error[unknown-stage]')
  expect(plain.stderr).toContain('did you mean `upper`?')
  const json = await project.flow('run', '--json', 'w.yaml')
  expect(json).toMatchObject({ code: 2, stderr: '' })
  const { type, diagnostics } = JSON.parse(json.stdout)
  expect(type).toBe('invalid')
  expect(diagnostics).toContainEqual(expect.objectContaining({ code: 'unknown-stage', line: 2, column: 16 }))
  expect(diagnostics.length).toBeGreaterThan(1)
  expect(existsSync(join(project.folder, '.flow'))).toBe(false)
})

test('a value that its type refuses is named by file and line, before the nodes around it', async () => {
  const project = new TestProject({
    'w.yaml': `nodes:
  first: { uses: trim, in: { text: in.txt } }
  mean:  { uses: mean, in: { scores: data/scores.jsonl }, out: { mean: mean.txt } }
`,
    'in.txt': 'x',
    'data/scores.jsonl': '{"score": 1}\n{"score": "2"}\n',
  })
  const run = await project.run('w.yaml')
  expect(run).toMatchObject({ code: 1, executed: ['first'] })
  expect(run.events).toContainEqual(
    expect.objectContaining({
      type: 'node-failed',
      node: 'mean',
      failure: expect.objectContaining({
        code: 'invalid-input',
        file: 'data/scores.jsonl',
        line: 2,
        hint: 'give each row a score',
      }),
    }),
  )
  project.write('data/scores.jsonl', '{"score": 1}\n{"score": 2}\n')
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: ['mean'] })
  expect(project.read('mean.txt')).toBe('1.5')
})

test('rule 13: an output that its type refuses fails the node, and is never reused', async () => {
  const project = new TestProject({
    'w.yaml': 'nodes:\n  rows: { uses: fussy, in: { text: in.txt }, out: { rows: rows.jsonl } }\n',
    'in.txt': 'nonsense',
  })
  for (let attempt = 0; attempt < 2; attempt++) {
    const run = await project.run('w.yaml')
    expect(run.code).toBe(1)
    expect(run.events).toContainEqual(
      expect.objectContaining({
        type: 'node-failed',
        failure: expect.objectContaining({ code: 'invalid-output', line: 2 }),
      }),
    )
  }
  expect(existsSync(join(project.folder, 'rows.jsonl'))).toBe(false)
})

test("an output path that holds a user's file: exit code 2 naming it, and the file is untouched", async () => {
  const project = new TestProject({
    'w.yaml': 'nodes:\n  one: { uses: upper, in: { text: in.txt }, out: { text: out.txt } }\n',
    'in.txt': 'x',
    'out.txt': 'mine',
  })
  const run = await project.flow('run', 'w.yaml')
  expect(run).toMatchObject({ code: 2, stdout: '' })
  expect(run.stderr).toMatch(/w\.yaml:2:3: error\[output-not-ours\].*out\.txt/)
  expect(project.read('out.txt')).toBe('mine')
  expect((await project.flow('plan', 'w.yaml')).code).toBe(2)

  project.write('out.txt', 'X')
  // The same bytes would be written, but only a run would know.
  expect((await project.run('w.yaml')).code).toBe(2)
})

test('an output that was edited by hand is not overwritten either; one that was deleted is written again', async () => {
  const project = new TestProject({
    'w.yaml': 'nodes:\n  one: { uses: upper, in: { text: in.txt }, out: { text: out.txt } }\n',
    'in.txt': 'x',
  })
  expect((await project.run('w.yaml')).code).toBe(0)
  project.write('out.txt', 'edited')
  expect((await project.run('w.yaml')).code).toBe(2)
  expect(project.read('out.txt')).toBe('edited')
  rmSync(join(project.folder, 'out.txt'))
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: [] })
  expect(project.read('out.txt')).toBe('X')
})
