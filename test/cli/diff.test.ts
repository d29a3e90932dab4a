import { expect, test } from 'vitest'
import { type FinishedRun, TestProject } from './test-project.ts'

const workflow = `name: compared
nodes:
  clean: { uses: trim, in: { text: in.txt } }
  once:  { uses: upper, in: { text: '\${{ nodes.clean.text }}' } }
  twice: { uses: upper, in: { text: '\${{ nodes.clean.text }}' }, with: { times: 2 } }
  measured: { uses: measure, in: { text: '\${{ nodes.twice.text }}' } }
`

const measure = `
import { readFileSync, writeFileSync } from 'node:fs'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'measure', description: '', inputs: { text: 'text' }, outputs: { figures: 'json' }, params: Type.Object({}),
  light: true,
  run: async ({ inputs, outputs }) => {
    const { length } = readFileSync(inputs.text, 'utf8')
    const figures = { stage: 'measure', values: { length, share: length / 1000, constant: 7 }, list: [1, 2] }
    writeFileSync(outputs.figures, JSON.stringify(figures))
  },
})
`

function runIdOf({ events }: FinishedRun): string {
  const [first] = events
  return first?.type === 'run-started' ? first.runId : ''
}

async function comparedProject() {
  const project = new TestProject({
    'w.yaml': workflow,
    'in.txt': 'hello',
    'stages/measure/index.ts': measure,
  })
  const before = await project.run('w.yaml')
  project.write(
    'w.yaml',
    workflow.replace('once:', 'single:').replace('times: 2', 'times: 3') +
      '  more: { uses: trim, in: { text: in.txt } }\n',
  )
  const after = await project.run('w.yaml')
  expect([before.code, after.code]).toEqual([0, 0])
  return { project, before: runIdOf(before), after: runIdOf(after) }
}

test('diff tells nodes, reasons, outputs and figures of two runs', async () => {
  const { project, before, after } = await comparedProject()
  const { code, stdout } = await project.flow('diff')
  expect(code).toBe(0)
  // Times are what they are.
  const shown = stdout
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d UTC/g, 'TIME')
    .replaceAll(/\d+\.\d+ s( -> \d+\.\d+ s)?/g, 'SPENT')
    .replaceAll(/ +/g, ' ')
  expect(shown).toBe(`\
w.yaml
before ${before} ok SPENT TIME
after ${after} ok SPENT TIME

node state duration why
once -> single changed executed -> reused SPENT the same key
twice changed executed SPENT params.times 2 -> 3
measured changed executed SPENT input text: its only line differs
more added reused

1 node the same

outputs that differ
 twice.text its only line differs
 measured.figures values changed

figures before after difference
 measured.figures values.length 10 15 +5
 measured.figures values.share 0.01 0.015 +0.005
 measured.figures values.constant 7 7 0
`)

  const document = JSON.parse((await project.flow('diff', before, 'latest', '--json')).stdout)
  expect(document).toMatchObject({ before: { runId: before }, after: { runId: after } })
  expect(
    document.nodes.map(({ node, change }: { node: string; change: string }) => `${node} ${change}`),
  ).toEqual(['clean same', 'single changed', 'twice changed', 'measured changed', 'more added'])
  expect(document.nodes[3]).toMatchObject({
    state: { before: 'executed', after: 'executed' },
    differences: [{ part: 'input', port: 'text', change: 'changed' }],
    outputs: [{ port: 'figures', content: { names: [{ name: 'values', change: 'changed' }] } }],
    numbers: { figures: [{ name: 'values.length', before: 10, after: 15, difference: 5 }, {}, {}] },
  })
})

test('runs are named by their ids, by how they begin, and from the latest backwards', async () => {
  const { project, before, after } = await comparedProject()
  const swapped = await project.flow('diff', 'latest', 'latest~1', '--json')
  expect(JSON.parse(swapped.stdout)).toMatchObject({ before: { runId: after }, after: { runId: before } })
  const same = await project.flow('diff', after.slice(0, -1), after)
  expect(same.stdout).toContain('\n5 nodes the same\n')
  const ambiguous = await project.flow('diff', '20', 'latest~7')
  expect(ambiguous).toMatchObject({ code: 2, stdout: '' })
  expect(ambiguous.stderr).toContain('2 runs begin with `20`')
  expect(ambiguous.stderr).toContain('there is no run `latest~7`\n  hint: w.yaml has run 2 times')
  const nothing = await new TestProject().flow('diff')
  expect(nothing).toMatchObject({ code: 2, stderr: 'error[unknown-run]: nothing has run here yet\n' })
})
