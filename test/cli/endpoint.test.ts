/** @file A served model asked by the real command line: killed midway and run again, and its key nowhere to be found. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { ChatServer, question, refuse, reply } from '../stages/chat-server.ts'
import { TestProject, withEvents } from './test-project.ts'

const secret = 'sk-secret-0123456789abcdef'
const environment = { TEST_CHAT_KEY: secret }
const rows = Array.from({ length: 12 }, (_, index) => `prompt ${index}`)

function project(server: ChatServer, endpoint = '') {
  return new TestProject({
    'prompts.jsonl': rows.map((prompt) => `${JSON.stringify({ prompt })}\n`).join(''),
    'ask.yaml': `name: ask
nodes:
  ask:
    uses: generate
    in: { prompts: prompts.jsonl }
    with:
      candidates: 1
      endpoint: { base_url: "${server.url}", model: big, api_key_env: TEST_CHAT_KEY, concurrency: 2${endpoint} }
    out: { responses: answers.jsonl }
`,
  })
}

it('after kill -9, asks only for what has not been answered', async () => {
  let held: (() => void) | undefined
  const waiting = new Promise<void>((resolve) => {
    held = resolve
  })
  let answers = 0
  const server = await ChatServer.listen((response, asked) => {
    answers++
    // From the sixth on, nobody gets an answer any more.
    if (answers > 5 && held !== undefined) return answers === 7 ? held() : undefined
    reply(response, `About ${question(asked)}`)
  })
  const asking = project(server)
  const first = asking.start(['run', '--json', 'ask.yaml'], environment)
  await waiting
  first.killTree()
  await first.finished
  held = undefined
  expect(server.asked).toHaveLength(7)

  const again = withEvents(await asking.start(['run', '--json', 'ask.yaml'], environment).finished)
  expect(again.code).toBe(0)
  expect(
    asking
      .read('answers.jsonl')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual(rows.map((prompt) => ({ prompt, responses: [{ text: `About ${prompt}`, finished: true }] })))
  // Twelve answers, and the two that the crash took.
  expect(server.asked).toHaveLength(14)

  // How it is asked is no part of the key; what is asked is.
  asking.write('ask.yaml', asking.read('ask.yaml').replace('concurrency: 2', 'concurrency: 3, timeout_s: 9'))
  const { code, executed } = await asking.run('ask.yaml')
  expect([code, executed]).toEqual([0, []])
})

it('keeps the key out of records, logs and errors, even where the server repeats it', async () => {
  const server = await ChatServer.listen((response, asked) =>
    question(asked) === 'prompt 3'
      ? refuse(response, 401, { message: `Incorrect API key provided: ${asked.headers.authorization}` })
      : reply(response, 'fine'),
  )
  const asking = project(server, ', max_retries: 1')
  const { code, stdout, stderr } = await asking.start(['run', '--json', 'ask.yaml'], environment).finished
  expect(code).toBe(1)
  expect(stdout).toContain('Incorrect API key provided: Bearer ***')
  expect(`${stdout}${stderr}`).not.toContain(secret)
  const explained = await asking.start(['explain', 'ask', 'ask.yaml'], environment).finished
  expect(explained.stdout).not.toContain(secret)
  const files = readdirSync(asking.folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  )
  const log = files.filter(({ parentPath, name }) =>
    readFileSync(join(parentPath, name), 'utf8').includes(secret),
  )
  expect(log).toEqual([])
  expect(files.length).toBeGreaterThan(3)
})
