import { existsSync, readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import { checkArtifact, checkDigest, describeArtifact } from '../../engine/artifacts/check.ts'
import { executeStage } from '../../engine/stage/execute.ts'
import { loadCatalog } from '../../engine/stage/load-catalog.ts'
import { PluginProject } from './plugin-project.ts'

let project: PluginProject
afterEach(() => project.remove())

const files = {
  'stages/artifacts/colours.ts': `
    import { readFileSync } from 'node:fs'
    import { defineArtifact } from 'flow/artifacts'
    export const colours = defineArtifact({
      name: 'colours',
      kind: 'file',
      description: 'rows with a colour',
      extends: 'jsonl',
      *validate(path: string) {
        for (const [index, row] of readFileSync(path, 'utf8').trimEnd().split('\\n').entries()) {
          if (typeof JSON.parse(row).colour !== 'string') yield { message: 'has no colour', line: index + 1 }
        }
      },
      describe: () => 'colours',
    })`,
  'stages/paint/index.ts': `
    import { defineStage, Type } from 'flow/stage'
    console.log('imported')
    export default defineStage({
      name: 'paint',
      description: 'Paints rows',
      inputs: { rows: 'colours', extra: { type: ['json', 'text'], optional: true, description: 'more' }, all: { type: 'jsonl', many: true } },
      outputs: { rows: 'colours' },
      params: Type.Object({
        by: Type.Union([Type.Literal('dark'), Type.Literal('light')], { default: 'dark' }),
        deep: Type.Object({ n: Type.Integer({ default: 1 }) }),
      }),
      cosmetic: ['by'],
      environment: ['PAINT'],
      async run(context) {
        const by: 'dark' | 'light' = context.params.by
        const { paint } = await import('./paint.ts')
        await paint(context.inputs.rows, context.outputs.rows, by)
        console.log('inputs', JSON.stringify(context.inputs.all), context.inputs.extra === undefined)
        console.error('to stderr')
        context.log('logged')
        context.warn('warned')
        for (let step = 1; step <= 1000; step++) context.progress({ step, total: 1000 })
      },
    })`,
  'stages/paint/paint.ts': `
    import { readFile, writeFile } from 'node:fs/promises'
    import { Type } from 'typebox'
    import prefix from './prefix.txt'
    interface Row { colour: string }
    export async function paint(from: string, to: string, by: string): Promise<void> {
      const rows = (await readFile(from, 'utf8')).trimEnd().split('\\n').map((row) => JSON.parse(row) as Row)
      const kind = Type.String().type
      await writeFile(to, rows.map((row) => JSON.stringify({ colour: prefix + by + row.colour + kind }) + '\\n').join(''))
    }`,
  'stages/paint/prefix.txt': 'very-',
  'rows.jsonl': '{"colour":"red"}\n{"colour":"blue"}\n',
}

test('a plugin of a project is found, described, run in a worker and its output checked', async () => {
  project = new PluginProject(files)
  const { catalog, diagnostics } = await loadCatalog(project.folder)
  expect(diagnostics.filter(({ file }) => !file?.startsWith('/'))).toEqual([])

  const stage = catalog.stages.get('paint')!
  expect(stage).toMatchObject({
    name: 'paint',
    origin: 'project',
    inputs: {
      rows: { types: ['colours'], optional: false, many: false, description: '' },
      extra: { types: ['json', 'text'], optional: true, description: 'more' },
      all: { types: ['jsonl'], many: true },
    },
    outputs: { rows: { type: 'colours', description: '' } },
    params: {
      type: 'object',
      additionalProperties: false,
      properties: { deep: { additionalProperties: false } },
    },
    cosmetic: ['by'],
    light: false,
    environment: ['PAINT'],
  })
  expect(Object.keys(stage.module.sources)).toContain('stages/paint/prefix.txt')
  expect(stage.module.packages).toEqual([expect.stringMatching(/^typebox@\d/)])

  const logs: string[] = []
  const steps: number[] = []
  await executeStage({
    stage,
    inputs: { rows: project.at('rows.jsonl') },
    outputs: { rows: project.at('painted.jsonl') },
    params: { by: 'light', deep: { n: 1 } },
    device: 'cpu',
    threads: 1,
    checkpoint: project.folder,
    signal: new AbortController().signal,
    onProgress: ({ step }) => steps.push(step),
    onLog: (level, message) => logs.push(`${level}: ${message}`),
  })
  expect(readFileSync(project.at('painted.jsonl'), 'utf8')).toContain('{"colour":"very-lightredstring"}')
  expect(logs.sort()).toEqual([
    'info: imported',
    'info: inputs {} true',
    'info: logged',
    expect.stringMatching(/^info: peak memory [\d.]+ MB, processor time [\d.]+ s$/),
    'info: to stderr',
    'warning: warned',
  ])
  expect(steps.length).toBeLessThan(200)
  expect(steps.at(-1)).toBe(1000)

  expect(await checkArtifact(catalog, 'colours', project.at('painted.jsonl'))).toEqual([])
  expect(await describeArtifact(catalog, 'colours', project.at('painted.jsonl'))).toBe('colours')
  project.write('bad.jsonl', '{"colour":"red"}\n{"color":"red"}\n')
  expect(await checkArtifact(catalog, 'colours', project.at('bad.jsonl'))).toEqual([
    { message: 'has no colour', line: 2 },
  ])
  // What is not even the general type is not shown to the special check.
  project.write('worse.jsonl', '{"colour":\n'.repeat(30))
  const faults = await checkArtifact(catalog, 'colours', project.at('worse.jsonl'))
  expect(faults).toHaveLength(20)
  expect(faults[0]).toMatchObject({ line: 1, message: expect.stringContaining('JSON') })
  expect(await checkArtifact(catalog, 'colours', project.folder)).toMatchObject([
    { message: 'is not a file' },
  ])
  expect(await checkArtifact(catalog, 'colours', project.at('none'))).toMatchObject([
    { message: 'there is no file' },
  ])
  expect(checkDigest(catalog, 'colours')).not.toBe(checkDigest(catalog, 'jsonl'))
})

test('an unchanged catalog is read without running plugin code', async () => {
  const ran = (folder: string) =>
    `import { appendFileSync } from 'node:fs'; appendFileSync('${folder}/ran', 'x')\n`
  project = new PluginProject({ 'stages/artifacts/colours.ts': files['stages/artifacts/colours.ts'] })
  for (const name of ['index.ts', 'paint.ts', 'prefix.txt'] as const) {
    project.write(`stages/paint/${name}`, files[`stages/paint/${name}`])
  }
  project.write('stages/paint/index.ts', ran(project.folder) + files['stages/paint/index.ts'])
  await loadCatalog(project.folder)
  expect(readFileSync(project.at('ran'), 'utf8')).toBe('x')
  const { catalog } = await loadCatalog(project.folder)
  expect(catalog.stages.has('paint')).toBe(true)
  expect(readFileSync(project.at('ran'), 'utf8')).toBe('x')
})

test('a light stage runs in this process, and what it prints is logged', async () => {
  const source = (body: string) => `
    import { writeFileSync } from 'node:fs'
    import { defineStage, Type } from 'flow/stage'
    export default defineStage({ name: 'brief', description: '', inputs: {}, outputs: { out: 'text' }, light: true,
      params: Type.Object({}), async run(context) { ${body} } })`
  project = new PluginProject({
    'stages/brief/index.ts': source(
      `console.log('hello\\nthere'); writeFileSync(context.outputs.out, String(process.pid))`,
    ),
  })
  const { logs } = await project.run('brief')
  expect(readFileSync(project.at('out'), 'utf8')).toBe(String(process.pid))
  expect(logs).toEqual(['info: hello', 'info: there'])
  expect(existsSync(project.at('out'))).toBe(true)
})

test('bad plugins are diagnostics that name the file, and do not break the others', async () => {
  const stage = (name: string, fields = '') => `
    import { defineStage, Type } from 'flow/stage'
    export default defineStage({ name: '${name}', description: '', inputs: {}, outputs: { out: 'text' },
      params: Type.Object({}), async run() {}, ${fields} })`
  project = new PluginProject({
    'stages/good/index.ts': stage('good'),
    'stages/notes.md': 'not a plugin',
    'stages/empty/other.ts': 'export {}',
    'stages/none/index.ts': 'export const nothing = 1',
    'stages/misnamed/index.ts': stage('another'),
    'stages/Loud/index.ts': stage('Loud'),
    'stages/untyped/index.ts': stage('untyped', `inputs: { rows: 'pixels' }`),
    'stages/portless/index.ts': stage('portless', `outputs: { 'a b': 'text', c: 3 }`),
    'stages/throws/index.ts': `\nthrow new Error('not today')`,
    'stages/syntax/index.ts': `export default {\n  name: 'syntax'\n  run() {}\n}`,
    'stages/lost/index.ts': `import x from 'no-such-package'\nimport './nowhere.ts'\nexport default x`,
    'stages/schemaless/index.ts': stage('schemaless', `params: {} as never, cosmetic: ['no'] as never`),
    'stages/artifacts/text.ts': `import { defineArtifact } from 'flow/artifacts'
      const base = { kind: 'file' as const, description: '', validate: () => [], describe: () => '' }
      export const mine = defineArtifact({ ...base, name: 'text' })
      export const orphan = defineArtifact({ ...base, name: 'orphan', extends: 'nobody' })
      export const crooked = defineArtifact({ ...base, name: 'crooked', extends: 'folder' })`,
  })
  const { catalog, diagnostics } = await loadCatalog(project.folder)
  expect(catalog.stages.has('good')).toBe(true)
  const own = diagnostics.filter(({ file }) => !file?.startsWith('/'))
  const lines = own.map(({ code, file, message }) => `${file} ${code}: ${message}`).sort()
  expect(lines).toEqual([
    expect.stringMatching(/^stages\/Loud\/index.ts invalid-name: 'Loud' cannot be the name of a stage/),
    "stages/artifacts/text.ts duplicate-artifact: artifact type 'text' is also declared by the engine itself",
    "stages/artifacts/text.ts invalid-artifact: artifact type 'crooked' extends 'folder', which is a folder, not a file",
    "stages/artifacts/text.ts unknown-artifact: artifact type 'orphan' extends the unknown artifact type 'nobody'",
    'stages/lost/index.ts compile-error: stages/lost/index.ts:1:15: Could not resolve "no-such-package"',
    'stages/lost/index.ts compile-error: stages/lost/index.ts:2:8: Could not resolve "./nowhere.ts"',
    "stages/misnamed/index.ts stage-name: stage 'another' lies in the folder 'misnamed'",
    'stages/none/index.ts invalid-stage: the default export is not a stage',
    "stages/portless/index.ts invalid-name: 'a b' cannot be the name of a port",
    "stages/portless/index.ts invalid-stage: port 'c' names no artifact type",
    "stages/schemaless/index.ts invalid-stage: cosmetic parameter 'no' is not declared in params",
    'stages/schemaless/index.ts invalid-stage: params is not an object schema',
    expect.stringMatching(/^stages\/syntax\/index.ts compile-error: stages\/syntax\/index.ts:3:3: Expected/),
    'stages/throws/index.ts plugin-import: the file throws when it is imported: Error: not today',
    "stages/untyped/index.ts unknown-artifact: input 'rows' has the unknown artifact type 'pixels'",
  ])
  const hint = (file: string) => own.find((diagnostic) => diagnostic.file === file)?.hint
  expect(hint('stages/none/index.ts')).toContain('export default defineStage')
  expect(hint('stages/lost/index.ts')).toContain('npm install no-such-package')
  expect(hint('stages/untyped/index.ts')).toContain('jsonl')
})

test('the types of a stage in a module of its own come with it', async () => {
  project = new PluginProject({
    'stages/shades/index.ts': `
      import { defineArtifact } from 'flow/artifacts'
      import { defineStage, Type } from 'flow/stage'
      export const shades = defineArtifact({ name: 'shades', kind: 'folder', description: '', extends: 'folder',
        validate: () => [{ message: 'never good' }], describe: () => 'shades' })
      export default defineStage({ name: 'shades', description: '', inputs: {}, outputs: { out: 'shades' },
        params: Type.Object({}), async run() {} })`,
  })
  const { catalog } = await loadCatalog(project.folder)
  expect(catalog.artifacts.get('shades')).toMatchObject({ kind: 'folder', extends: 'folder' })
  expect(await checkArtifact(catalog, 'shades', project.folder)).toEqual([{ message: 'never good' }])
})
