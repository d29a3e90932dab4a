/** @file `flow chat` on the shipped model: through a pipe, and at a terminal where Ctrl-C stops an answer. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const flow = fileURLToPath(new URL('../../engine/cli/flow.js', import.meta.url))
const hasScript = spawnSync('script', ['--version']).status === 0 && process.platform === 'linux'
if (!hasScript)
  console.warn('`flow chat` is not tested at a terminal: `script` of util-linux is not installed')

class Conversation {
  readonly #process: ChildProcess
  readonly ended: Promise<number | null>
  #wake = () => {}
  /** Without the codes that move a terminal's cursor. */
  stdout = ''
  stderr = ''

  constructor(command: string, args: readonly string[]) {
    const { CI: _, NO_COLOR: __, ...environment } = process.env
    this.#process = spawn(command, args, { cwd: root, env: { ...environment, TERM: 'xterm-256color' } })
    this.#process.stdout?.on('data', (data) => {
      this.stdout += stripVTControlCharacters(String(data))
      this.#wake()
    })
    this.#process.stderr?.on('data', (data) => {
      this.stderr += data
    })
    this.ended = new Promise((resolve) => {
      this.#process.on('close', (code) => {
        this.#wake()
        resolve(code)
      })
    })
  }

  type(text: string): void {
    this.#process.stdin?.write(text)
  }

  end(): void {
    this.#process.stdin?.end()
  }

  /** Resolves once the output so far, from `offset` on, matches. */
  async shows(pattern: RegExp, offset = 0): Promise<void> {
    while (!pattern.test(this.stdout.slice(offset))) {
      if (this.#process.exitCode !== null) throw new Error(`ended without ${pattern}:\n${this.stdout}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }
}

function chat(...args: string[]): Conversation {
  return new Conversation(process.execPath, [flow, 'chat', ...args])
}

function chatAtTerminal(args: string): Conversation {
  return new Conversation('script', ['-qec', `${process.execPath} ${flow} chat ${args}`, '/dev/null'])
}

test('each line of a pipe is a turn; /reset forgets the turns before', async () => {
  const conversation = chat()
  conversation.type('What is 3 plus 4?\n/reset\n\nWhat is 3 plus 4?\n')
  conversation.end()
  expect(await conversation.ended).toBe(0)
  const answers = conversation.stdout.trimEnd().split('\n')
  expect(answers).toHaveLength(2)
  expect(answers[0]).not.toBe('')
  expect(answers[1]).toBe(answers[0])
})

test('a conversation that is longer than the model takes goes on without its first turns', async () => {
  const conversation = chat()
  for (let turn = 0; turn < 8; turn++) conversation.type('What is 12 plus 30?\n')
  conversation.end()
  expect(await conversation.ended).toBe(0)
  expect(conversation.stdout.trimEnd().split('\n')).toHaveLength(8)
  expect(conversation.stderr).toMatch(/earlier turns are left out: the model takes 128 tokens/)
})

test.each([
  [['--model', 'no/such/folder'], /error\[missing-folder\]: there is no folder no\/such\/folder\n {2}hint: /],
  [['--model', 'data'], /error\[missing-file\]: .*data\/config\.json is missing/],
  [
    ['--temperature', 'warm'],
    /error\[invalid-option\]: --temperature must be a number from 0 on, not `warm`/,
  ],
  [['checkpoints/tiny-base'], /error\[unexpected-argument\].*\n {2}hint: .*--model checkpoints\/tiny-base/],
])('says what is wrong with %j', async (args, message) => {
  const conversation = chat(...args)
  conversation.end()
  expect(await conversation.ended).toBe(1)
  expect(conversation.stderr).toMatch(message)
  expect(conversation.stderr).not.toMatch(/^ {4}at /m)
})

test.skipIf(!hasScript)('at a terminal Ctrl-C stops an answer, and Ctrl-D leaves', async () => {
  // So hot that hardly an answer ends by itself; yet it may, before Ctrl-C arrives on a busy machine.
  const conversation = chatAtTerminal('--temperature 100 --top-p 1 --max-new-tokens 120')
  await conversation.shows(/> $/)
  for (let turn = 0; turn < 10 && !conversation.stdout.includes('(stopped)'); turn++) {
    const offset = conversation.stdout.length
    conversation.type('/reset\rGo on for ever.\r')
    await conversation.shows(/ever\.[\r\n]+[^\r\n]/, offset)
    conversation.type('\x03')
    await conversation.shows(/ever\.[\s\S]*> $/, offset)
  }
  expect(conversation.stdout).toContain('(stopped)')
  const offset = conversation.stdout.length
  conversation.type('half a line')
  await conversation.shows(/half a line/, offset)
  conversation.type('\x03')
  await conversation.shows(/> $/, offset)
  conversation.type('\x04')
  expect(await conversation.ended).toBe(0)
})
