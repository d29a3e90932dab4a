/** @file A workflow reads and writes in the project, and elsewhere only what whoever runs it names. */

import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { TestProject } from './test-project.ts'

/** A folder outside of the project, with a file in it. */
function elsewhere(): string {
  const folder = mkdtempSync(join(tmpdir(), 'flow-elsewhere-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'secret.txt'), 'not yours')
  return folder
}

function upper(text: string, out = 'out.txt'): string {
  return `params: { text: { type: string, default: a.txt } }
nodes:
  a: { uses: upper, in: { text: ${text} }, out: { text: ${out} } }
`
}

async function refusal(project: TestProject, ...args: string[]): Promise<string> {
  const { code, stderr } = await project.flow('run', ...args)
  expect(code).toBe(2)
  return stderr
}

it('files outside are read only where the command line names them, or allows their folder', async () => {
  const folder = elsewhere()
  const project = new TestProject({
    'w.yaml': upper(`${folder}/secret.txt`),
    'p.yaml': upper('${{ params.text }}'),
  })
  const told = await refusal(project, 'w.yaml')
  expect(told).toContain('w.yaml:3:33: error[outside-project]')
  expect(told).toContain('lies outside of the project')
  expect(existsSync(join(project.folder, 'out.txt'))).toBe(false)
  expect((await project.run('w.yaml', '--allow', folder)).code).toBe(0)
  const allowed = await project.start(['plan', 'w.yaml'], { FLOW_ALLOW: `/nowhere:${folder}` }).finished
  expect(allowed.code).toBe(0)
  expect((await project.run('p.yaml', '--param', `text=${folder}/secret.txt`)).code).toBe(0)
  const written = upper('${{ params.text }}').replace('default: a.txt', `default: ${folder}/secret.txt`)
  project.write('p.yaml', written)
  expect(await refusal(project, 'p.yaml')).toContain('outside-project')
})

it('links do not lead out: not of a file, of a folder on the way, within a folder, or of an output', async () => {
  const folder = elsewhere()
  const project = new TestProject({ 'data/in.txt': 'x' })
  symlinkSync(join(folder, 'secret.txt'), join(project.folder, 'link.txt'))
  symlinkSync(folder, join(project.folder, 'linked'))
  symlinkSync(join(project.folder, 'data/in.txt'), join(project.folder, 'inside.txt'))
  for (const text of ['link.txt', 'linked/secret.txt']) {
    project.write('w.yaml', upper(text))
    expect(await refusal(project, 'w.yaml')).toContain(`\`${text}\` lies outside of the project`)
  }
  project.write('w.yaml', upper('inside.txt'))
  expect((await project.run('w.yaml')).code).toBe(0)
  project.write('w.yaml', upper('data/in.txt', 'linked/secret.txt'))
  expect(await refusal(project, 'w.yaml')).toContain(
    'a link on the way to `linked/secret.txt` leads out of the project',
  )
  project.write('w.yaml', upper('data/in.txt', 'linked/new/deep.txt'))
  expect(await refusal(project, 'w.yaml')).toContain('leads out of the project')
  expect(readFileSync(join(folder, 'secret.txt'), 'utf8')).toBe('not yours')
  expect(existsSync(join(folder, 'new'))).toBe(false)

  mkdirSync(join(project.folder, 'parts/below'), { recursive: true })
  symlinkSync(join(folder, 'secret.txt'), join(project.folder, 'parts/below/hidden.txt'))
  project.write('w.yaml', 'nodes:\n  a: { uses: ./tree, in: { tree: parts } }\n')
  project.write(
    'tree/index.ts',
    `import { writeFile } from 'node:fs/promises'
import { defineStage, Type } from 'flow/stage'
export default defineStage({
  name: 'tree', description: '', inputs: { tree: 'folder' }, outputs: { text: 'text' }, params: Type.Object({}), light: true,
  async run({ outputs }) { await writeFile(outputs.text, 'x') },
})
`,
  )
  expect(await refusal(project, 'w.yaml')).toContain(
    '`parts/below/hidden.txt` is a link that leads out of the project',
  )
  expect((await project.run('w.yaml', '--allow', folder)).code).toBe(0)
})

it('used workflows, files of params and stages by path lie in the project, too', async () => {
  const folder = elsewhere()
  writeFileSync(join(folder, 'inner.yaml'), upper('a.txt'))
  writeFileSync(join(folder, 'values.yaml'), 'text: a.txt\n')
  const project = new TestProject({ 'a.txt': 'a', 'w.yaml': 'nodes:\n  a: { uses: ./inner.yaml }\n' })
  symlinkSync(join(folder, 'inner.yaml'), join(project.folder, 'inner.yaml'))
  symlinkSync(join(folder, 'values.yaml'), join(project.folder, 'values.yaml'))
  symlinkSync(join(project.folder, 'stages/upper'), join(folder, 'upper'))
  symlinkSync(folder, join(project.folder, 'own'))
  expect(await refusal(project, 'w.yaml')).toContain(
    'inner.yaml, which the workflow uses, lies outside of the project',
  )
  project.write('w.yaml', `include: values.yaml\n${upper('a.txt')}`)
  expect(await refusal(project, 'w.yaml')).toContain('values.yaml, which the workflow uses, lies outside')
  const outside = elsewhere()
  mkdirSync(join(outside, 'tool'))
  writeFileSync(join(outside, 'tool/index.ts'), 'throw new Error("ran")')
  symlinkSync(outside, join(project.folder, 'tools'))
  project.write('w.yaml', 'nodes:\n  a: { uses: ./tools/tool, in: { text: a.txt } }\n')
  const told = await refusal(project, 'w.yaml')
  expect(told).toContain('./tools/tool, which the workflow uses, lies outside of the project')
  expect(told).not.toContain('ran')
})

it('names that differ in letter case alone are one file elsewhere, and the engine keeps its folder in any case', async () => {
  const both =
    'nodes:\n  a: { uses: upper, in: { text: a.txt }, out: { text: Out.txt } }\n  b: { uses: trim, in: { text: a.txt }, out: { text: out.TXT } }\n'
  const project = new TestProject({ 'a.txt': 'a', 'w.yaml': both, 'e.yaml': upper('a.txt', '.Flow/blobs/x') })
  expect(await refusal(project, 'w.yaml')).toContain('error[output-conflict]')
  expect(await refusal(project, 'e.yaml')).toContain("lies in the engine's own folder")
})

it('a plan of somebody else’s workflow runs none of its code with --safe', async () => {
  // Its own each time: what code that has been looked at before declares is remembered.
  const ran = `import { writeFileSync } from 'node:fs'\nwriteFileSync('RAN', '${randomUUID()}')\n`
  const project = new TestProject({
    'a.txt': 'a',
    'w.yaml': `nodes:
  mine: { uses: ./evil, in: { any: a.txt, more: [a.txt] }, with: { what: ever } }
  also: { uses: loud, in: { text: "\${{ nodes.mine.thing }}" } }
  rows: { uses: prepare, in: { data: "\${{ nodes.also.text }}" } }
`,
  })
  const stage = (name: string) => `${ran}
import { defineStage, Type } from 'flow/stage'
export default defineStage({ name: '${name}', description: '', inputs: {}, outputs: {}, params: Type.Object({}), async run() {} })
`
  project.write('evil/index.ts', stage('evil'))
  project.write('stages/loud/index.ts', stage('loud'))
  project.write('stages/artifacts/types.ts', ran)
  const { code, stdout, stderr } = await project.flow('plan', 'w.yaml', '--safe', '--json')
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(existsSync(join(project.folder, 'RAN'))).toBe(false)
  const nodes = JSON.parse(stdout).nodes as { node: string; decision: string; reason: string }[]
  expect(nodes.map(({ node, decision }) => [node, decision])).toEqual([
    ['mine', 'unknown'],
    ['also', 'unknown'],
    ['rows', 'unknown'],
  ])
  expect(nodes[0]!.reason).toBe('its stage is code of the project, which --safe does not run')
  await project.flow('plan', 'w.yaml')
  expect(existsSync(join(project.folder, 'RAN'))).toBe(true)
})

it('a file without an end is refused as too large, not read', async () => {
  const project = new TestProject({})
  symlinkSync('/dev/zero', join(project.folder, 'endless.yaml'))
  expect(await refusal(project, 'endless.yaml')).toContain('error[too-large]')
})
