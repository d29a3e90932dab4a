import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { TestProject } from './test-project.ts'

/** The alias takes the YAML library. */
const workflow = `name: &name twice
description: *name
nodes:
  clean: { uses: trim, in: { text: in.txt } }
  loud:  { uses: upper, in: { text: '\${{ nodes.clean.text }}' }, out: { text: out.txt } }
`

/** Runs before the engine in its process, and notes all that is loaded there: ES modules, CommonJS, parts of Node. */
const tracer = `
import { appendFileSync } from 'node:fs'
import { createRequire, register } from 'node:module'
register('data:text/javascript,' + encodeURIComponent(\`
  import { appendFileSync } from 'node:fs'
  export async function resolve(specifier, context, next) {
    const found = await next(specifier, context)
    appendFileSync(process.env.TRACE_FILE, found.url + '\\\\n')
    return found
  }\`))
const { cache } = createRequire(import.meta.url)
process.on('exit', () => {
  appendFileSync(process.env.TRACE_FILE, [...Object.keys(cache), ...process.moduleLoadList, ''].join('\\n'))
})
`

const heavy = ['yaml', 'ajv', 'ink', 'esbuild']

test('rule 22: a run that has nothing to do loads no YAML reader, validator, compiler or view, and cannot start processes', async () => {
  const project = new TestProject({ 'w.yaml': workflow, 'in.txt': ' some text ', 'trace.mjs': tracer })
  const first = await loadedBy(project, 'first')
  // What the tracer would see if it were loaded.
  expect(first.packages).toEqual(expect.arrayContaining(['yaml', 'ajv', 'esbuild']))
  expect(first.parts).toContain('child_process')

  // The second one may find that the stages' files were too new to be trusted.
  await loadedBy(project, 'second')
  const idle = await loadedBy(project, 'idle')
  expect(idle.output).toMatch(/^nothing to do/)
  expect(idle.packages).toEqual([])
  expect(idle.parts).toContain('fs')
  expect(idle.parts).not.toContain('child_process')
})

async function loadedBy(
  project: TestProject,
  name: string,
): Promise<{ readonly output: string; readonly packages: string[]; readonly parts: string[] }> {
  const trace = join(project.folder, `${name}.trace`)
  const environment = { NODE_OPTIONS: `--import ${join(project.folder, 'trace.mjs')}`, TRACE_FILE: trace }
  const { code, stdout, stderr } = await project.start(['run', 'w.yaml'], environment).finished
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  const lines = readFileSync(trace, 'utf8').split('\n')
  return {
    output: stdout,
    packages: heavy.filter((name) => lines.some((line) => line.includes(`/node_modules/${name}/`))),
    parts: lines.flatMap((line) => /^NativeModule (\w+)$/.exec(line)?.[1] ?? []),
  }
}
