/** @file The conversation loop: a line of input is a turn; the reply appears as it is decoded. */
import { availableParallelism } from 'node:os'
import { type CommandContext, StageFailure } from 'flow/stage'
import { isLmFailure } from '../../lm/failure.ts'
import { adapterSelection, type FileSelection, modelSelection } from '../../lm/hub/repository.ts'
import { encodePrompt } from '../../lm/text/conversation.ts'
import type { Message } from '../../lm/text/messages.ts'
import { locate } from '../hub/locate.ts'
import { type LocalWriter, openWriter } from '../sampling/local-writer.ts'
import { type DecodePrecisionParam, decodePrecisions, type SamplingParams } from '../sampling/writer.ts'
import { openPrompter } from './prompter.ts'

const help = '/reset starts over, Ctrl-C stops an answer, /exit or Ctrl-D leaves.'
/** Of shells, for what SIGINT or SIGTERM ended. */
const interrupted = 130

export async function chat({ project, options, positionals, signal }: CommandContext): Promise<number> {
  const [extra] = positionals
  if (extra !== undefined) {
    throw new StageFailure({
      code: 'unexpected-argument',
      message: `flow chat takes options only, not \`${extra}\``,
      hint: `a model is named by --model ${extra}`,
    })
  }
  const params = samplingOf(options)
  const precision = precisionOf(options)
  const located = (option: 'model' | 'adapter', selection: FileSelection) =>
    locate({ project, option, text: String(options[option]), selection, signal })
  const model = await located('model', modelSelection)
  const adapter = options.adapter === undefined ? undefined : await located('adapter', adapterSelection)
  const writer = await openWriter(
    { model, adapter, precision },
    {
      device: String(options.device),
      threads: availableParallelism(),
      log: (message) => process.stderr.write(`${message}\n`),
    },
  )
  // Ctrl-C while the model was being read.
  if (signal.aborted) return interrupted

  const opening: Message[] =
    options.system === undefined ? [] : [{ role: 'system', content: String(options.system) }]
  let turns: readonly Message[] = []
  if (process.stdin.isTTY) process.stderr.write(`${help}\n`)
  const prompter = openPrompter(signal)
  try {
    for (let turn = 0; ; turn++) {
      const text = (await prompter.ask())?.trim()
      if (text === undefined || text === '/exit') break
      if (text === '') continue
      if (text === '/reset') {
        turns = []
        continue
      }
      const asked = recentTurns(writer, opening, [...turns, { role: 'user', content: text }], params)
      if (asked.length <= turns.length) process.stderr.write(forgetting(writer))
      const reply = await prompter.interruptible((stop) =>
        answer(writer, [...opening, ...asked], { ...params, seed: params.seed + turn }, stop),
      )
      if (reply !== undefined) turns = [...asked, { role: 'assistant', content: reply }]
    }
  } finally {
    prompter.close()
  }
  return signal.aborted ? interrupted : 0
}

/** The latest turns that leave room for an answer; at least the last one. */
function recentTurns(
  { tokenizer, maxPositions }: LocalWriter,
  opening: readonly Message[],
  turns: readonly Message[],
  params: SamplingParams,
): readonly Message[] {
  const room = Math.min(params.max_new_tokens, maxPositions >> 1)
  let recent = turns
  while (recent.length > 1 && encodePrompt(tokenizer, [...opening, ...recent]).length + room > maxPositions) {
    // A question and its answer.
    recent = recent.slice(2)
  }
  return recent
}

function forgetting({ maxPositions }: LocalWriter): string {
  return `(earlier turns are left out: the model takes ${maxPositions} tokens)\n`
}

/**
 * Writes the reply to stdout as it comes.
 * @returns it, or as much of it as there was when it was stopped; undefined where there was nothing
 */
async function answer(
  { tokenizer, write }: LocalWriter,
  conversation: readonly Message[],
  params: SamplingParams,
  stop: AbortSignal,
): Promise<string | undefined> {
  const ids: number[] = []
  let shown = ''
  const token = (_: number, id: number) => {
    ids.push(id)
    const text = tokenizer.decode(ids, { skipSpecial: true })
    // A character cut by a token's edge decodes to U+FFFD until its last byte is there.
    if (text.endsWith('\uFFFD')) return
    process.stdout.write(harmless(text.slice(shown.length)))
    shown = text
  }
  try {
    const [written] = await write([conversation], params, { signal: stop, token })
    process.stdout.write(`${harmless(written!.text.slice(shown.length))}\n`)
    return written!.text
  } catch (error) {
    if (stop.aborted) {
      process.stdout.write(shown === '' ? '(stopped)\n' : ' (stopped)\n')
      return shown === '' ? undefined : shown
    }
    if (!isLmFailure(error) || error.code !== 'prompt-too-long') throw error
    process.stderr.write(`${error.message}\n`)
    return undefined
  }
}

/** A model may write any bytes, those that move a terminal's cursor or worse among them. */
function harmless(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, '\uFFFD')
}

function precisionOf(options: CommandContext['options']): DecodePrecisionParam {
  const given = String(options['decode-precision'])
  const known = decodePrecisions.find((each) => each === given)
  if (known !== undefined) return known
  throw new StageFailure({
    code: 'invalid-option',
    message: `--decode-precision must be one of ${decodePrecisions.join(', ')}, not \`${given}\``,
  })
}

function samplingOf(options: CommandContext['options']): SamplingParams {
  const number = (name: string, isAllowed: (value: number) => boolean, range: string): number => {
    const value = Number(options[name])
    if (String(options[name]).trim() !== '' && isAllowed(value)) return value
    throw new StageFailure({
      code: 'invalid-option',
      message: `--${name} must be ${range}, not \`${options[name]}\``,
    })
  }
  return {
    temperature: number('temperature', (value) => Number.isFinite(value) && value >= 0, 'a number from 0 on'),
    top_p: number('top-p', (value) => value > 0 && value <= 1, 'a number above 0 and up to 1'),
    top_k: 0,
    max_new_tokens: number(
      'max-new-tokens',
      (value) => Number.isSafeInteger(value) && value >= 1,
      'a whole number from 1 on',
    ),
    batch_size: 1,
    seed: number('seed', Number.isSafeInteger, 'a whole number'),
  }
}
