/** @file A stage that a workflow names by the path of its folder. */
import { expect, test } from 'vitest'
import { TestProject } from './test-project.ts'

const stage = (text: string) => `
import { writeFile } from 'node:fs/promises'
import { defineStage, Type } from 'flow/stage'

export default defineStage({
  name: 'greet',
  description: 'Greets',
  inputs: {},
  outputs: { text: 'text' },
  params: Type.Object({}),
  light: true,
  async run({ outputs }) {
    await writeFile(outputs.text, ${JSON.stringify(text)})
  },
})
`
const workflow = `
# uses: ./not/there is only a comment
nodes:
  one: { uses: ./extra/greet, out: { text: out.txt } }
  two: { uses: "./extra/greet" }
  three: { uses: './more stages/greet' }
  four: { uses: ./..more/greet }
`

test('a stage named by its path runs, and runs again when its code changes', async () => {
  const project = new TestProject({
    'w.yaml': workflow,
    'extra/greet/index.ts': stage('hello'),
    'more stages/greet/index.ts': stage('again'),
    '..more/greet/index.ts': stage('and again'),
  })
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, stderr: '' })
  expect(project.read('out.txt')).toBe('hello')
  expect(await project.run('w.yaml')).toMatchObject({ code: 0, executed: [] })
  project.write('extra/greet/index.ts', stage('good day'))
  expect(await project.run('w.yaml')).toMatchObject({ code: 0 })
  expect(project.read('out.txt')).toBe('good day')
  expect((await project.flow('stages')).stdout).not.toContain('greet')
})

test('a path without a stage, or out of the project, is an unknown stage', async () => {
  const project = new TestProject({ 'inside/w.yaml': '' })
  for (const path of ['./extra/nothing', './../elsewhere']) {
    project.write('w.yaml', `nodes:\n  one: { uses: ${path} }\n`)
    const { code, stderr } = await project.flow('run', 'w.yaml')
    expect(code).toBe(2)
    expect(stderr).toContain(`w.yaml:2:16: error[unknown-stage]: there is no stage \`${path}\``)
    expect(stderr).toContain('a stage named by its path is a folder in the project with an `index.ts`')
  }
})
