import { cpSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { flowRoot } from '../../engine/flow-root.ts'
import { compile, compileAll, importModule } from '../../engine/stage/compile.ts'
import { sourceName } from '../../engine/stage/source-name.ts'
import { PluginProject } from './plugin-project.ts'

let project: PluginProject
beforeEach(() => {
  project = new PluginProject({
    'package.json': '{ "name": "mine", "type": "module" }',
    'stages/a/index.ts': `import { b } from './b.ts'
      import type { C } from './c.ts'
      export const value: C = b
      export const lazy = () => import('./lazy.ts')`,
    'stages/a/b.ts': `export const b = 'b'`,
    'stages/a/c.ts': 'export type C = string',
    'stages/a/lazy.ts': `export const here = [import.meta.url, import.meta.dirname, import.meta.filename]
      export function fail(): never {
        throw new Error('thrown')
      }`,
    'stages/z/index.ts': `export const value = 'z'`,
  })
})
afterEach(() => project.remove())

const entry = (name = 'a') => project.at(`stages/${name}/index.ts`)

test('the digest follows the import closure, and nothing else', async () => {
  const first = await compile(entry())
  expect(Object.keys(first.sources)).toEqual(['stages/a/b.ts', 'stages/a/index.ts', 'stages/a/lazy.ts'])
  expect(first.packages).toEqual([])
  expect(await compile(entry())).toEqual(first)

  // A type alone leaves nothing in the compiled code; another stage is not part of this one.
  project.write('stages/a/c.ts', 'export type C = string | number')
  project.write('stages/z/index.ts', `export const value = 'zz'`)
  expect(await compile(entry())).toEqual(first)

  project.write('stages/a/b.ts', `export const b = 'c'`)
  const second = await compile(entry())
  expect(second.digest).not.toBe(first.digest)
  expect((await importModule(second)).value).toBe('c')
  expect((await importModule(first)).value).toBe('b')

  project.write('stages/a/b.ts', `export const b = 'b'`)
  const third = await compile(entry())
  expect(third).toEqual(first)
})

test('a moved project keeps its digests', async () => {
  const { digest } = await compile(entry())
  const other = new PluginProject({})
  cpSync(project.folder, other.folder, { recursive: true })
  expect((await compile(other.at('stages/a/index.ts'))).digest).toBe(digest)
  other.remove()
})

test('entries whose closures hold the same files have digests of their own', async () => {
  project.write('stages/a/index.ts', `import '../z/index.ts'; export const value = 1`)
  project.write('stages/z/index.ts', `import '../a/index.ts'; export const value = 2`)
  const [a, z] = await compileAll([
    { file: entry('a'), root: project.folder },
    { file: entry('z'), root: project.folder },
  ])
  expect(a?.module?.sources).toEqual(z?.module?.sources)
  expect(a?.module?.digest).not.toBe(z?.module?.digest)
})

test('modules know their own place, and stack traces point into the TypeScript', async () => {
  const { lazy } = (await importModule(await compile(entry()))) as {
    lazy: () => Promise<{ here: string[]; fail: () => never }>
  }
  const { here } = await lazy()
  const file = project.at('stages/a/lazy.ts')
  expect(here).toEqual([`file://${file}`, path.dirname(file), file])
})

test('a faulty entry is reported with its position, and the others compile', async () => {
  project.write('stages/a/b.ts', `export const größe = 1\nconst ä = 'x' +;`)
  const [a, z] = await compileAll([
    { file: entry('a'), root: project.folder },
    { file: entry('z'), root: project.folder },
  ])
  expect(z?.module?.digest).toMatch(/^[0-9a-f]{64}$/)
  const [fault] = a?.diagnostics ?? []
  expect(fault).toMatchObject({ code: 'compile-error', file: project.at('stages/a/b.ts') })
  const text = `export const größe = 1\nconst ä = 'x' +;`
  expect(text.slice(fault!.range!.start, fault!.range!.end)).toBe(';')
  await expect(compile(entry('a'))).rejects.toMatchObject({
    name: 'StageFailure',
    details: { code: 'compile-error', file: project.at('stages/a/b.ts'), line: 2 },
  })
  await expect(compile(project.at('stages/none/index.ts'), project.folder)).rejects.toMatchObject({
    name: 'StageFailure',
  })
})

test("packages come from the importer's place, else from Flow's; versions are in the digest", async () => {
  project.write('stages/a/index.ts', `import * as yaml from 'yaml'; export const value = yaml`)
  const before = await compile(entry())
  expect(before.packages).toEqual([expect.stringMatching(/^yaml@/)])
  expect((await importModule(before)).value).toMatchObject({ parse: (await import('yaml')).parse })

  const own = (version: string, code: string) => {
    project.write(
      'node_modules/yaml/package.json',
      JSON.stringify({ name: 'yaml', version, main: 'main.cjs' }),
    )
    project.write('node_modules/yaml/main.cjs', code)
  }
  own('0.0.1', 'exports.mine = true')
  const after = await compile(entry())
  expect(after.packages).toEqual(['yaml@0.0.1'])
  expect((await importModule(after)).value).toMatchObject({ mine: true })
  own('0.0.2', 'exports.mine = true')
  expect((await compile(entry())).digest).not.toBe(after.digest)
})

test('packages are resolved as Node resolves them', async () => {
  const packages = {
    'dual/package.json': JSON.stringify({
      name: 'dual',
      version: '1.0.0',
      exports: { module: './bundler.js', import: './import.mjs', require: './require.cjs' },
    }),
    'dual/bundler.js': `export const kind = 'bundler'`,
    'dual/import.mjs': `export const kind = 'import'`,
    'dual/require.cjs': `exports.kind = 'require'`,
    'main/package.json': JSON.stringify({
      name: 'main',
      version: '1.0.0',
      main: 'main.cjs',
      module: 'module.js',
    }),
    'main/main.cjs': `exports.kind = 'main'`,
    'main/module.js': `export const kind = 'module'`,
  }
  for (const [name, content] of Object.entries(packages)) project.write(`node_modules/${name}`, content)
  project.write(
    'stages/a/index.ts',
    `import { kind as dual } from 'dual'
     import { kind as main } from 'main'
     import { readFileSync } from 'fs'
     const absent = await import('not-installed').catch((error) => error.code)
     export const value = [dual, main, typeof readFileSync, absent]`,
  )
  expect((await importModule(await compile(entry()))).value).toEqual([
    'import',
    'main',
    'function',
    'ERR_MODULE_NOT_FOUND',
  ])
})

test('a package that is linked from elsewhere is source', async () => {
  mkdirSync(project.at('node_modules'))
  project.write('linked/package.json', '{ "name": "linked", "version": "1.0.0", "main": "index.ts" }')
  writeFileSync(project.at('linked/index.ts'), `export const value: string = 'one'`)
  symlinkSync(project.at('linked'), project.at('node_modules/linked'))
  project.write('stages/a/index.ts', `export { value } from 'linked'`)
  const one = await compile(entry())
  expect(Object.keys(one.sources)).toContain('linked/index.ts')
  project.write('linked/index.ts', `export const value: string = 'two'`)
  expect((await importModule(await compile(entry()))).value).toBe('two')
})

test("Flow's sources are called so, whether it is installed in a project or a project lies in it", () => {
  const stage = path.join(flowRoot, 'engine/stage/define.ts')
  expect(sourceName(stage, flowRoot)).toBe('engine/stage/define.ts')
  expect(sourceName(stage, project.folder)).toBe('flow:engine/stage/define.ts')
  expect(sourceName(stage, path.dirname(flowRoot))).toBe('flow:engine/stage/define.ts')
  expect(sourceName(stage, path.join(flowRoot, 'engine'))).toBe('stage/define.ts')
  expect(sourceName(stage, path.join(flowRoot, 'stages'))).toBe('flow:engine/stage/define.ts')
})

const gradients = '@tensorflow/tfjs-core/dist/register_all_gradients.js'
const differentiate = `
  import * as tf from '@tensorflow/tfjs-core'
  import { square, tensor1d } from '@tensorflow/tfjs-core'
  import '${gradients}'
  import '@tensorflow/tfjs-backend-cpu'
  export async function derivative() {
    await tf.setBackend('cpu')
    return [...(await tf.grads((x: tf.Tensor) => tf.sum(square(x)))([tensor1d([1, 2, 3])])[0]!.data())]
  }
  export { tf }`

test('package files that Node cannot load are bundled, beside the one instance of their package', async () => {
  project.write('package.json', JSON.stringify({ name: 'mine', flow: { bundle: [gradients] } }))
  project.write('stages/a/index.ts', differentiate)
  const module = await compile(entry())
  expect(module.packages).toContain('@tensorflow/tfjs-core@4.22.0')
  expect(Object.keys(module.sources)).toEqual(['stages/a/index.ts'])
  const { derivative, tf } = (await importModule(module)) as {
    derivative: () => Promise<number[]>
    tf: { Tensor: unknown }
  }
  expect(await derivative()).toEqual([2, 4, 6])
  expect(tf.Tensor).toBe((await import('@tensorflow/tfjs-core')).Tensor)
})

test('what is bundled is said by the package that owns the importer', async () => {
  project.write('stages/a/index.ts', differentiate)
  await expect(compile(entry()).then(importModule)).rejects.toThrow()
  project.write('package.json', JSON.stringify({ name: 'mine', flow: { bundle: [gradients] } }))
  const { derivative } = (await importModule(await compile(entry()))) as {
    derivative: () => Promise<number[]>
  }
  expect(await derivative()).toEqual([2, 4, 6])
})

test("a plugin imports Flow's own modules from its place", async () => {
  project.write(
    'stages/a/index.ts',
    `export { defineStage } from 'flow/stage'\nexport { defineArtifact } from 'flow/artifacts'`,
  )
  const module = await compile(entry())
  expect(Object.keys(module.sources)).toContain('flow:engine/stage/define.ts')
  expect(await importModule(module)).toMatchObject({ defineStage: expect.any(Function) })
  expect(flowRoot).toBe(path.resolve(import.meta.dirname, '../..'))
  project.write('stages/a/index.ts', `import 'flow/elsewhere'`)
  await expect(compile(entry())).rejects.toMatchObject({
    details: { hint: expect.stringContaining('flow/stage') },
  })
})
