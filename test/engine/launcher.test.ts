import { spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { flowRoot } from '../../engine/flow-root.ts'

/** A small engine under the real launcher. */
let root: string
beforeEach(() => {
  root = realpathSync(mkdtempSync(path.join(tmpdir(), 'flow-launcher-')))
  mkdirSync(path.join(root, 'engine/cli'), { recursive: true })
  mkdirSync(path.join(root, 'node_modules'))
  for (const name of ['flow.js', 'build-engine.mjs', 'split-engine.mjs', 'package.json']) {
    cpSync(path.join(flowRoot, 'engine/cli', name), path.join(root, 'engine/cli', name))
  }
  for (const name of ['esbuild', '@esbuild', 'yaml']) {
    symlinkSync(path.join(flowRoot, 'node_modules', name), path.join(root, 'node_modules', name))
  }
  write('package.json', '{ "name": "flow", "type": "module" }')
  write(
    'engine/cli/main.ts',
    `import { word } from './word.ts'
     export async function main(argv: string[]): Promise<number> {
       if (argv[0] === 'fail') (await import('./fail.ts')).fail()
       process.stdout.write(JSON.stringify([word, argv, import.meta.url, process.pid]))
       return 3
     }`,
  )
  write('engine/cli/word.ts', `export const word: string = 'one'`)
  write(
    'engine/cli/fail.ts',
    `interface Unused { a: 1 }\n\nexport function fail(): never {\n  throw new Error('on purpose')\n}`,
  )
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function write(name: string, content: string): void {
  writeFileSync(path.join(root, name), content)
}

function flow(args: string[] = [], environment: NodeJS.ProcessEnv = {}) {
  const launcher = path.join(root, 'engine/cli/flow.js')
  const child = spawn(process.execPath, [launcher, ...args], { env: { ...process.env, ...environment } })
  const result = { code: 0 as number | null, out: '', err: '' }
  child.stdout.on('data', (chunk) => {
    result.out += chunk
  })
  child.stderr.on('data', (chunk) => {
    result.err += chunk
  })
  return new Promise<typeof result>((resolve) => child.on('close', (code) => resolve({ ...result, code })))
}

const cache = () => path.join(root, 'node_modules/.cache/flow')
const builds = () => readdirSync(cache()).filter((name) => name.startsWith('engine-'))

test('the command line reaches main, and its result is the exit code', async () => {
  const { code, out } = await flow(['a', '--b=c'])
  expect(code).toBe(3)
  expect(JSON.parse(out)).toEqual([
    'one',
    ['a', '--b=c'],
    `file://${root}/engine/cli/main.ts`,
    expect.any(Number),
  ])
})

test('a changed source is built again, an unchanged one is not', async () => {
  await flow()
  const before = builds()
  await flow()
  expect(builds()).toEqual(before)
  write('engine/cli/word.ts', `export const word: string = 'two'`)
  expect(JSON.parse((await flow()).out)[0]).toBe('two')
  expect(builds()).toHaveLength(2)
  // What was once built is found again.
  write('engine/cli/word.ts', `export const word: string = 'one'`)
  expect(JSON.parse((await flow()).out)[0]).toBe('one')
  expect(builds()).toHaveLength(2)
})

test('rule 22: what is imported on demand is no part of what every start loads, and shares its modules', async () => {
  write('engine/cli/word.ts', `export const said: string[] = []`)
  const says = (name: string) =>
    `import { said } from './word.ts'\nexport const ${name} = () => said.push('says ${name}')`
  write('engine/cli/late.ts', `${says('late')}\nexport const more = () => import('./later.ts')`)
  write('engine/cli/later.ts', says('later'))
  write(
    'engine/cli/main.ts',
    `import { said } from './word.ts'
     export async function main(): Promise<number> {
       const { late, more } = await import('./late.ts')
       late()
       ;(await more()).later()
       process.stdout.write(JSON.stringify(said))
       return 0
     }`,
  )
  // The second start loads what V8 kept of the first.
  for (const _ of ['built', 'kept'])
    expect(await flow()).toEqual({ code: 0, out: '["says late","says later"]', err: '' })
  const [build] = builds()
  expect(readFileSync(path.join(cache(), build!, 'main.cjs'), 'utf8')).not.toContain('says')
  expect(readFileSync(path.join(cache(), build!, 'rest.cjs'), 'utf8')).toContain('says later')
})

test('processes that build at the same time all run', async () => {
  const results = await Promise.all([flow(), flow(), flow()])
  expect(results.map(({ code }) => code)).toEqual([3, 3, 3])
  expect(readdirSync(cache()).filter((name) => name.startsWith('tmp-'))).toEqual([])
})

test('a stack trace points into the TypeScript', async () => {
  const { code, err } = await flow(['fail'])
  expect(code).toBe(1)
  expect(err).toContain(`${root}/engine/cli/fail.ts:4:9`)
  expect(err).toContain(`${root}/engine/cli/main.ts:3:`)
})

test('sources that do not compile are shown with their place', async () => {
  write('engine/cli/word.ts', `export const word = 'one\n`)
  const { code, err } = await flow()
  expect(code).toBe(2)
  expect(err).toContain('engine/cli/word.ts:1:24')
})

test('without the dependencies the way out is said', async () => {
  write('engine/cli/word.ts', `export { parse as word } from 'yaml'`)
  await flow()
  rmSync(path.join(root, 'node_modules/yaml'))
  expect(await flow()).toMatchObject({ code: 2, err: expect.stringContaining('npm ci') })
  rmSync(path.join(root, 'node_modules'), { recursive: true })
  expect(await flow()).toMatchObject({ code: 2, err: expect.stringContaining('npm ci') })
})

test('where node_modules cannot be written the build goes to a private temporary folder', async () => {
  // A file in its place stands for a read-only folder, which is none for root.
  write('node_modules/.cache', '')
  write('engine/cli/word.ts', `import { parse } from 'yaml'\nexport const word = parse('[1]')`)
  const temporary = path.join(root, 'tmp')
  mkdirSync(temporary)
  const first = await flow([], { TMPDIR: temporary })
  expect(first.err).toBe('')
  expect(JSON.parse(first.out)[0]).toEqual([1])
  const [folder] = readdirSync(temporary)
  expect((await flow([], { TMPDIR: temporary })).code).toBe(3)
  chmodSync(path.join(temporary, folder!), 0o777)
  expect(await flow([], { TMPDIR: temporary })).toMatchObject({
    code: 2,
    err: expect.stringContaining('private'),
  })
})
