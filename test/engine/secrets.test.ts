/** @file Secrets go by name: their values are in no key, and in nothing that a stage says. */
import { readFileSync } from 'node:fs'
import { afterEach, expect, test } from 'vitest'
import type { JsonObject, NodeId } from '../../engine/identity.ts'
import { keyPreimage } from '../../engine/plan/preimage.ts'
import { isStageFailure } from '../../engine/stage/failure.ts'
import { loadCatalog } from '../../engine/stage/load-catalog.ts'
import type { WorkflowNode } from '../../engine/workflow/workflow.ts'
import { PluginProject, stageSource } from './plugin-project.ts'

const secret = 'sk-very"secret\\value'
process.env.TEST_SERVICE_KEY = secret
process.env.TEST_SHORT_KEY = 'none'
process.env.TEST_PADDED_KEY = ` ${secret}\n`

let project: PluginProject
afterEach(() => project.remove())

function declare(body: string, fields = ''): PluginProject {
  const source = stageSource('asks', body, {
    head: `import { writeFileSync } from 'node:fs'
      const service = Type.Object({ url: Type.String(), key: Type.String(), timeout_s: Type.Number({ default: 1 }) })`,
    fields: `secrets: ['service.key'], cosmetic: ['service.key', 'service.timeout_s'], ${fields}`,
  })
  return new PluginProject({
    'stages/asks/index.ts': source.replace(
      'Type.Object({}),',
      'Type.Object({ service: Type.Optional(service) }),',
    ),
  })
}

const params = (key: string) => ({ service: { url: 'here', key, timeout_s: 1 } })

test.each(['light: true,', ''])('logs and progress show stars in their place (%s)', async (fields) => {
  project = declare(
    `
    const value = process.env[context.params.service.key]
    console.log('printed ' + value)
    context.log('logged ' + value + ', twice ' + value)
    context.warn('warned ' + value)
    context.progress({ step: 1, note: 'noted ' + value })
    writeFileSync(context.outputs.out, String(value.length))`,
    fields,
  )
  const { logs, progress } = await project.run('asks', { params: params('TEST_SERVICE_KEY') })
  expect([...logs].sort()).toEqual([
    'info: logged ***, twice ***',
    'info: printed ***',
    'warning: warned ***',
  ])
  expect(progress).toEqual([{ step: 1, note: 'noted ***' }])
  expect(readFileSync(project.at('out'), 'utf8')).toBe(String(secret.length))
})

test('rule 15: so do variables whose names tell that they are secrets, in every form that gets into a line', async () => {
  process.env.MY_API_TOKEN = 'first line of it\nsecond "line" of it'
  project = declare(`
    const value = process.env.MY_API_TOKEN
    console.log(value)
    context.log(JSON.stringify({ value }) + ' ' + encodeURIComponent(value))
    writeFileSync(context.outputs.out, '')`)
  const { logs } = await project.run('asks', { params: {} })
  delete process.env.MY_API_TOKEN
  expect([...logs].sort()).toEqual(['info: ***', 'info: ***', 'info: {"value":"***"} ***'])
})

test('errors do so too, expected ones and bugs', async () => {
  project = declare(`
    const value = process.env[context.params.service.key]
    if (context.params.service.timeout_s === 1) throw new TypeError('bug with ' + value)
    throw new StageFailure({ code: 'refused', message: 'not with ' + value, hint: 'another than ' + value, line: 3 })`)
  const bug = await project.run('asks', { params: params('TEST_SERVICE_KEY') }).catch((error) => error)
  expect(bug).toMatchObject({ name: 'TypeError', message: 'bug with ***' })
  expect(bug.stack).toContain('bug with ***')
  expect(bug.stack).not.toContain('secret')
  const service = { ...params('TEST_SERVICE_KEY').service, timeout_s: 2 }
  const failure = await project.run('asks', { params: { service } }).catch((error) => error)
  expect(isStageFailure(failure) && failure.details).toEqual({
    code: 'refused',
    message: 'not with ***',
    hint: 'another than ***',
    line: 3,
  })
})

test('they are hidden without the white space around them, too', async () => {
  project = declare(`
    const value = process.env[context.params.service.key]
    context.log('logged ' + value.trim())
    writeFileSync(context.outputs.out, '')`)
  const { logs } = await project.run('asks', { params: params('TEST_PADDED_KEY') })
  expect(logs).toEqual(['info: logged ***'])
})

test('what is too short to be one, unset or not given stays as it is', async () => {
  project = declare(`
    context.log('there is none')
    writeFileSync(context.outputs.out, '')`)
  for (const given of [params('TEST_SHORT_KEY'), params('TEST_UNSET_KEY'), {}]) {
    const { logs } = await project.run('asks', { params: given })
    expect(logs).toEqual(['info: there is none'])
  }
})

test('rule 15: neither the value nor a cosmetic field is part of the key', async () => {
  project = declare('')
  const stage = (await loadCatalog(project.folder)).catalog.stages.get('asks')!
  expect(stage).toMatchObject({ secrets: ['service.key'], cosmetic: ['service.key', 'service.timeout_s'] })
  const keyed = (given: JsonObject) => {
    const node = { id: 'asks' as NodeId, stage, params: given, policy: {} } as unknown as WorkflowNode
    return keyPreimage(node, {}, process.env).params
  }
  expect(keyed(params('TEST_SERVICE_KEY'))).toEqual({ service: { url: 'here' } })
  expect(keyed({})).toEqual({})
})

test('a path that leads nowhere is a fault of the declaration', async () => {
  project = new PluginProject({
    'stages/asks/index.ts': stageSource('asks', '', {
      fields: `secrets: ['service.key'] as never, cosmetic: ['by'] as never,`,
    }),
  })
  const { diagnostics } = await loadCatalog(project.folder)
  const messages = diagnostics
    .filter(({ file }) => file === 'stages/asks/index.ts')
    .map(({ message }) => message)
  expect(messages).toEqual([
    "cosmetic parameter 'by' is not declared in params",
    "parameter with a secret 'service.key' is not declared in params",
  ])
})
