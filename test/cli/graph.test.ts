import { expect, test } from 'vitest'
import { TestProject } from './test-project.ts'

const workflow = `name: drawn
nodes:
  clean: { uses: trim, in: { text: in.txt } }
  loud:
    foreach: [1, 2]
    uses: upper
    in: { text: '\${{ nodes.clean.text }}' }
    with: { times: '\${{ each }}' }
`

test('graph draws a workflow in the terminal and into files, with what a run would do', async () => {
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': 'x' })
  const drawn = await project.flow('graph', 'w.yaml')
  expect(drawn).toMatchObject({ code: 0, stderr: '' })
  expect(drawn.stdout).toContain('│ clean │')
  expect(drawn.stdout.match(/▼/g)).toHaveLength(2)

  await project.run('w.yaml')
  const planned = await project.flow('graph', 'w.yaml', '--plan', '-o', 'out/w.svg')
  expect(planned).toMatchObject({ code: 0, stdout: '', stderr: 'out/w.svg: 3 nodes\n' })
  const svg = project.read('out/w.svg')
  expect(svg).toContain('<g class="node reuse"><title>clean (trim)\nreuse: up to date</title>')
  expect(svg).toContain('class="frame"')
  const part = await project.flow('graph', 'w.yaml', '--format', 'mermaid', '--only', 'clean')
  expect(part.stdout).toBe('flowchart TB\n  n0["clean<br/><small>trim</small>"]\n')
  const json = JSON.parse((await project.flow('graph', 'w.yaml', '--json')).stdout)
  expect(json.edges).toMatchObject([{ from: 'clean', ports: ['text'] }, { from: 'clean' }])
})

test('an unknown format is refused by name', async () => {
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': 'x' })
  const wrong = await project.flow('graph', 'w.yaml', '--format', 'mermade')
  expect(wrong).toMatchObject({ code: 2, stdout: '' })
  expect(wrong.stderr).toContain('there is no format `mermade`\n  hint: did you mean `mermaid`?')
})
