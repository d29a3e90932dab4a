import { expect, test } from 'vitest'
import { TestProject, withEvents } from './test-project.ts'

const light = `
import { writeFileSync } from 'node:fs'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'tell', description: '', inputs: {}, outputs: { text: 'text' }, params: Type.Object({}), light: true,
  async run({ outputs }) { writeFileSync(outputs.text, [process.env.MODE, process.env.FROM_OUTSIDE].join(' ')) },
})
`

test('declared variables reach the stage, a light one too, and are part of its key', async () => {
  const workflow = (env: string) =>
    `nodes:\n  plain: { uses: trim, in: { text: in.txt } }\n  told: { uses: tell, env: ${env}, out: { text: out.txt } }\n`
  const project = new TestProject({
    'w.yaml': workflow('{ MODE: fast, FROM_OUTSIDE }'),
    'in.txt': 'x',
    'stages/tell/index.ts': light,
  })
  const run = async (environment: Readonly<Record<string, string>>) =>
    withEvents(await project.start(['run', '--json', 'w.yaml'], environment).finished)

  expect(await run({ MODE: 'slow', FROM_OUTSIDE: 'one' })).toMatchObject({
    code: 0,
    executed: ['plain', 'told'],
  })
  expect(project.read('out.txt')).toBe('fast one')
  // What is set in the file does not depend on what is set outside.
  expect(await run({ MODE: 'other', FROM_OUTSIDE: 'one' })).toMatchObject({ reused: ['plain', 'told'] })

  const changed = await run({ FROM_OUTSIDE: 'two' })
  expect(changed).toMatchObject({ code: 0, executed: ['told'], reused: ['plain'] })
  expect(changed.events).toContainEqual(
    expect.objectContaining({ type: 'node-started', reason: 'environment FROM_OUTSIDE changed' }),
  )
  expect(project.read('out.txt')).toBe('fast two')

  project.write('w.yaml', workflow('{ MODE: slow, FROM_OUTSIDE }'))
  expect(await run({ FROM_OUTSIDE: 'two' })).toMatchObject({ code: 0, executed: ['told'], reused: ['plain'] })
  expect(project.read('out.txt')).toBe('slow two')
  expect(JSON.stringify(project.files('.flow/actions').map((file) => project.read(file)))).not.toContain(
    'slow',
  )
})
