/** @file A model of the hub as an input: planned without asking, downloaded by the run, known by content afterwards. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { HubServer } from '../lm/hub/hub-server.ts'
import { TestProject, withEvents } from './test-project.ts'

const qwen = fileURLToPath(new URL('../fixtures/reference/models/qwen2', import.meta.url))

const measure = `
import { readFileSync, writeFileSync } from 'node:fs'
import { defineStage, Type } from 'flow/stage'

export default defineStage({
  name: 'measure',
  description: 'Writes the model type and the first bytes of the weights',
  inputs: { model: 'model' },
  outputs: { text: 'text' },
  params: Type.Object({}),
  light: true,
  async run({ inputs, outputs }) {
    const { model_type } = JSON.parse(readFileSync(inputs.model + '/config.json', 'utf8'))
    const { length } = readFileSync(inputs.model + '/model.safetensors')
    writeFileSync(outputs.text, model_type + ' ' + length + '\\n')
  },
})
`

const workflow = `
params:
  model: { type: string, default: acme/tiny }
nodes:
  measure:
    uses: measure
    in: { model: "\${{ params.model }}" }
    out: { text: measured.txt }
  upper:
    uses: upper
    in: { text: "\${{ nodes.measure.text }}" }
`

function openProject(hub: HubServer) {
  const project = new TestProject({ 'stages/measure/index.ts': measure, 'workflow.yaml': workflow })
  const home = mkdtempSync(join(tmpdir(), 'flow-hub-'))
  onTestFinished(() => rmSync(home, { recursive: true, force: true }))
  const environment = {
    HF_HOME: home,
    HF_ENDPOINT: hub.url,
    HF_HUB_OFFLINE: '',
    HF_TOKEN: '',
    HF_HUB_CACHE: '',
  }
  const flow = async (args: readonly string[], more: Record<string, string> = {}) =>
    await project.start(args, { ...environment, ...more }).finished
  const run = async (...args: string[]) => withEvents(await flow(['run', '--json', 'workflow.yaml', ...args]))
  return { project, flow, run }
}

it('downloads what a plan only announces, and asks nothing the second time', async () => {
  const hub = await HubServer.serving('acme/tiny', qwen)
  const { project, flow, run } = openProject(hub)
  const plan = await flow(['plan', 'workflow.yaml'])
  expect(plan.stdout).toMatch(/measure +measure +unknown +unknown until acme\/tiny is downloaded/)
  expect(plan.stdout).toMatch(
    /upper +upper +unknown +unknown until measure has run \(acme\/tiny must be downloaded\)/,
  )
  expect(hub.requests).toEqual([])

  const first = await run()
  expect(first.code).toBe(0)
  expect(first.executed).toEqual(['measure', 'upper'])
  expect(project.read('measured.txt')).toMatch(/^qwen2 \d+\n$/)
  const progress = first.events.filter((event) => event.type === 'node-progress')
  expect(progress.at(-1)).toMatchObject({ node: 'measure', unit: 'MB' })
  expect(progress.at(-1)?.note).toBe('downloading acme/tiny: model.safetensors')

  hub.requests.length = 0
  const second = await run()
  expect(second.reused).toEqual(['measure', 'upper'])
  const again = await flow(['plan', 'workflow.yaml'])
  expect(again.stdout).toContain('2 reuse')
  expect(hub.requests).toEqual([])
  // The key holds the content, not how it was named.
  expect((await run('--param', 'model=hf://acme/tiny@main')).reused).toEqual(['measure', 'upper'])
  cpSync(qwen, join(project.folder, 'local'), { recursive: true })
  expect((await run('--param', 'model=local')).reused).toEqual(['measure', 'upper'])
  const offline = await flow(['run', 'workflow.yaml'], { HF_HUB_OFFLINE: '1' })
  expect(offline.code).toBe(0)
  expect(hub.requests).toEqual([])
})

it('takes a folder of that name before the hub', async () => {
  const hub = await HubServer.serving('acme/tiny', qwen)
  const { project, run } = openProject(hub)
  expect((await run()).code).toBe(0)
  cpSync(qwen, join(project.folder, 'acme/tiny'), { recursive: true })
  project.write('acme/tiny/generation_config.json', '{}')
  const local = await run()
  expect(local.executed).toEqual(['measure'])
})

it('says of a misspelt path that it is none, and of an unknown name both that it could be', async () => {
  const hub = await HubServer.serving('acme/tiny', qwen)
  const { project, flow, run } = openProject(hub)
  project.write('checkpoints/README.md', 'models')
  const slip = await flow(['plan', 'workflow.yaml', '--param', 'model=checkpoints/tiny-bas'])
  expect(slip.code).toBe(2)
  expect(slip.stderr).toContain('error[missing-file]: `checkpoints/tiny-bas` does not exist')
  expect(slip.stderr).toContain('`hf://checkpoints/tiny-bas`')

  const unknown = await run('--param', 'model=acme/tinny')
  expect(unknown.code).toBe(1)
  const failure = unknown.events.find((event) => event.type === 'node-failed')?.failure
  expect(failure?.code).toBe('hub-not-found')
  expect(failure?.message).toMatch(
    /^there is no file or folder `acme\/tinny` in the project, and the hub .* has no/,
  )
  expect(failure?.stack).toBeUndefined()

  await hub.close()
  const offline = await run()
  const unreachable = offline.events.find((event) => event.type === 'node-failed')?.failure
  expect(unreachable?.code).toBe('hub-unreachable')
  expect(unreachable?.message).toMatch(
    /^there is no file or folder `acme\/tiny` in the project, and .* could not/,
  )
})
