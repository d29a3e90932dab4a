/** @file The conversation loop: a line of input is a turn; the reply appears as it is decoded. */
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { type CommandContext, StageFailure } from 'flow/stage'
import type { Message } from '../../lm/text/messages.ts'
import { openWriter } from '../sampling/writer.ts'

const help = '/reset starts over, /exit or Ctrl-D leaves.'

export async function chat({ project, options, signal }: CommandContext): Promise<number> {
  const number = (name: string, minimum: number): number => {
    const value = Number(options[name])
    if (Number.isFinite(value) && value >= minimum) return value
    throw new StageFailure({
      code: 'invalid-option',
      message: `--${name} must be a number of at least ${minimum}, not \`${options[name]}\``,
    })
  }
  const params = {
    temperature: number('temperature', 0),
    top_p: number('top-p', 0),
    top_k: 0,
    max_new_tokens: number('max-new-tokens', 1),
    batch_size: 1,
    seed: number('seed', 0),
  }
  const model = resolve(project, String(options.model))
  const adapter = options.adapter === undefined ? undefined : resolve(project, String(options.adapter))
  const writer = await openWriter(
    { model, adapter },
    {
      device: String(options.device),
      threads: availableParallelism(),
      log: (message) => process.stderr.write(`${message}\n`),
    },
  )
  process.stderr.write(`${help}\n`)

  const opening: Message[] =
    options.system === undefined ? [] : [{ role: 'system', content: String(options.system) }]
  let messages = [...opening]
  const lines = createInterface({ input: process.stdin, output: process.stdout, prompt: '> ' })
  signal.addEventListener('abort', () => lines.close())
  lines.prompt()
  let turn = 0
  for await (const line of lines) {
    const text = line.trim()
    if (text === '/exit') break
    if (text === '/reset') {
      messages = [...opening]
    } else if (text !== '') {
      messages.push({ role: 'user', content: text })
      const reply = await answer(messages, turn++)
      messages.push({ role: 'assistant', content: reply })
    }
    lines.prompt()
  }
  lines.close()
  return 0

  async function answer(conversation: readonly Message[], turnIndex: number): Promise<string> {
    const ids: number[] = []
    let shown = ''
    const show = (id: number) => {
      ids.push(id)
      const text = writer.tokenizer.decode(ids, { skipSpecial: true })
      // A character cut by a token's edge decodes to U+FFFD until its last byte is there.
      if (text.endsWith('\uFFFD')) return
      process.stdout.write(text.slice(shown.length))
      shown = text
    }
    const [written] = await writer.write(
      [conversation],
      { ...params, seed: params.seed + turnIndex },
      {
        signal,
        token: (_, id) => show(id),
      },
    )
    process.stdout.write(`${written!.text.slice(shown.length)}\n`)
    return written!.text
  }
}
