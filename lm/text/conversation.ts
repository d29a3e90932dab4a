/**
 * @file Conversations as tokens: prompts, whole conversations with the assistant's part marked, and completions.
 *
 * Text is rendered and tokenised as a whole, and a completion begins where its tokens first differ from those of the
 * prompt alone. Tokenising the two apart gives other tokens where they touch. A model without a chat template reads
 * the turns as they are, and an answer ends with the end token.
 */
import { LmFailure } from '../failure.ts'
import type { MarkedText } from './chat-template.ts'
import type { Message } from './messages.ts'
import type { Tokenizer } from './tokenizer.ts'

export interface EncodedConversation {
  readonly ids: number[]
  /**
   * 1 where the token is the assistant's: what the template marks by `{% generation %}`; else its answer, the end of
   * its turn and what the template writes after it.
   */
  readonly assistant: Uint8Array
  /**
   * Assistant turns left unmarked because the template rewrites them once others follow (as some reasoning templates
   * do), so that their tokens in `ids` are not what the model would have written, or because it marks others only.
   */
  readonly unmarkedTurns: number
}

export interface EncodedCompletion {
  readonly prompt: number[]
  readonly completion: number[]
}

export interface CompletionOptions {
  /**
   * Where a completion stops: `template` keeps what the template writes after the end of the turn (ChatML's newline
   * is a trained token, as in TRL); `end-of-turn` stops at the token that ends the turn, as generation does.
   * @default 'template'
   */
  readonly trailing?: 'template' | 'end-of-turn'
}

/** The tokens that generation starts from: the turns, then the opening of the assistant's turn. */
export function encodePrompt(tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  return encodeTurns(tokenizer, messages, true)
}

export function encodeConversation(tokenizer: Tokenizer, messages: readonly Message[]): EncodedConversation {
  const marked = tokenizer.renderMarked(messages)
  if (marked) return encodeMarked(tokenizer, marked, messages)
  const ids = encodeTurns(tokenizer, messages, false)
  const assistant = new Uint8Array(ids.length)
  let unmarkedTurns = 0
  messages.forEach((message, turn) => {
    if (message.role !== 'assistant') return
    const begin = firstDifference(encodeTurns(tokenizer, messages.slice(0, turn), true), ids)
    const isLast = turn === messages.length - 1
    const upToHere = isLast ? ids : encodeTurns(tokenizer, messages.slice(0, turn + 1), false)
    const end = isLast ? ids.length : firstDifference(upToHere, ids)
    if (end < upToHere.length || end <= begin) unmarkedTurns++
    else assistant.fill(1, begin, end)
  })
  return { ids, assistant, unmarkedTurns }
}

/**
 * Token by token as `return_assistant_tokens_mask` of transformers: from the first token of a part's first character to
 * the first token of its last; to the end of the conversation where that character has no token.
 */
function encodeMarked(
  tokenizer: Tokenizer,
  { text, generated }: MarkedText,
  messages: readonly Message[],
): EncodedConversation {
  const spans = tokenizer.encodeWithOffsets(text)
  const tokenAt = (place: number) => spans.findIndex(({ start, end }) => start <= place && place < end)
  const assistant = new Uint8Array(spans.length)
  for (const [start, end] of generated) {
    const first = tokenAt(start)
    if (first === -1) break
    const last = tokenAt(end - 1)
    assistant.fill(1, first, last > 0 ? last + 1 : spans.length)
  }
  const turns = messages.filter(({ role }) => role === 'assistant').length
  return { ids: spans.map(({ id }) => id), assistant, unmarkedTurns: Math.max(0, turns - generated.length) }
}

/** Prompt and answer tokenised together, cut where they first differ from the prompt alone. */
export function encodeCompletion(
  tokenizer: Tokenizer,
  prompt: readonly Message[],
  completion: string,
  options: CompletionOptions = {},
): EncodedCompletion {
  const whole = encodeAnswered(tokenizer, prompt, completion, options)
  const cut = firstDifference(encodePrompt(tokenizer, prompt), whole)
  return { prompt: whole.slice(0, cut), completion: whole.slice(cut) }
}

export interface EncodedPair {
  readonly prompt: number[]
  readonly chosen: number[]
  readonly rejected: number[]
}

/** Two answers to one prompt; where they share prompt tokens differently, the shorter part is the prompt of both. */
export function encodePair(
  tokenizer: Tokenizer,
  prompt: readonly Message[],
  chosen: string,
  rejected: string,
  options: CompletionOptions = {},
): EncodedPair {
  const alone = encodePrompt(tokenizer, prompt)
  const withChosen = encodeAnswered(tokenizer, prompt, chosen, options)
  const withRejected = encodeAnswered(tokenizer, prompt, rejected, options)
  const cut = Math.min(firstDifference(alone, withChosen), firstDifference(alone, withRejected))
  return {
    prompt: withChosen.slice(0, cut),
    chosen: withChosen.slice(cut),
    rejected: withRejected.slice(cut),
  }
}

/** True where the prompt's own tokens all stand before the completion: they do not merge with its first ones. */
export function isPromptKept(
  tokenizer: Tokenizer,
  prompt: readonly Message[],
  encoded: EncodedCompletion,
): boolean {
  return encodePrompt(tokenizer, prompt).length === encoded.prompt.length
}

function encodeAnswered(
  tokenizer: Tokenizer,
  prompt: readonly Message[],
  completion: string,
  { trailing = 'template' }: CompletionOptions,
): number[] {
  const ids = encodeTurns(tokenizer, [...prompt, { role: 'assistant', content: completion }], false)
  if (trailing === 'template' || tokenizer.endOfTurnId === undefined) return ids
  const end = ids.lastIndexOf(tokenizer.endOfTurnId)
  return end === -1 ? ids : ids.slice(0, end + 1)
}

function encodeTurns(tokenizer: Tokenizer, messages: readonly Message[], opensAnswer: boolean): number[] {
  if (tokenizer.chatTemplate !== undefined) {
    return tokenizer.encode(tokenizer.render(messages, { addGenerationPrompt: opensAnswer }))
  }
  return encodePlain(tokenizer, messages)
}

/** Turns that are not the assistant's are joined by newlines; each answer follows at once and ends with eos. */
function encodePlain(tokenizer: Tokenizer, messages: readonly Message[]): number[] {
  const { eosId } = tokenizer
  const ids = [...tokenizer.prefixIds]
  let text = ''
  let previous: Message | undefined
  for (const message of messages) {
    if (message.role !== 'assistant') {
      text += (previous && previous.role !== 'assistant' ? '\n' : '') + message.content
    } else {
      if (eosId === undefined) {
        throw new LmFailure({
          code: 'no-end-token',
          message: `the tokenizer in ${tokenizer.folder} has neither a chat template nor an end token`,
          hint: 'name one in tokenizer_config.json (`eos_token`): without it an answer has no end to learn',
          file: tokenizer.folder,
        })
      }
      ids.push(...tokenizer.encode(text + message.content), eosId)
      text = ''
    }
    previous = message
  }
  ids.push(...tokenizer.encode(text))
  return ids
}

function firstDifference(a: readonly number[], b: readonly number[]): number {
  const shorter = Math.min(a.length, b.length)
  for (let i = 0; i < shorter; i++) if (a[i] !== b[i]) return i
  return shorter
}
