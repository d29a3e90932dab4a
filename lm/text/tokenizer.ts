/** @file The tokenizer of a Hugging Face folder, with its special tokens, chat template and stop tokens. */

import { Tokenizer as HfTokenizer } from '@huggingface/tokenizers'
import { LmFailure } from '../failure.ts'
import { ChatTemplate, type TemplateVariables } from './chat-template.ts'
import type { Message } from './messages.ts'
import { readTokenizerFiles, type TokenizerFiles } from './tokenizer-files.ts'

export interface DecodeOptions {
  /** Leaves special tokens out. @default false */
  readonly skipSpecial?: boolean
}

export interface Tokenizer {
  readonly folder: string
  /** Ids run from 0 to this, exclusive; a model's embedding may have more rows. */
  readonly vocabularySize: number
  readonly specialIds: ReadonlySet<number>
  readonly bosId: number | undefined
  readonly eosId: number | undefined
  /** For filling only: padding is masked by position, since it often equals the end token. */
  readonly padId: number
  /** What the tokenizer puts before a plain text, a bos as a rule. Templates write their own. */
  readonly prefixIds: readonly number[]
  /** A generated token that ends the assistant's turn is one of these. */
  readonly stopIds: readonly number[]
  /** What the template writes right after an answer, where that is a special token; else the end token. */
  readonly endOfTurnId: number | undefined
  readonly chatTemplate: string | undefined
  /** Special tokens in the text are recognised; nothing is added. */
  encode(text: string): number[]
  /** Ids outside the vocabulary leave no text; `[]` gives `''`. */
  decode(ids: readonly number[], options?: DecodeOptions): string
  id(token: string): number | undefined
  token(id: number): string | undefined
  /**
   * The text that the chat template makes of a conversation. Throws `LmFailure` `no-chat-template`,
   * `chat-template-refused`.
   */
  render(messages: readonly Message[], options?: { addGenerationPrompt?: boolean }): string
}

/**
 * Loads the tokenizer of a model or tokenizer folder, or of a GGUF file. Throws `LmFailure`: those of
 * `readTokenizerFiles`, `unsupported-tokenizer`, `invalid-chat-template`.
 */
export function loadTokenizer(folder: string): Tokenizer {
  const files = readTokenizerFiles(folder)
  const { config, template: source } = files
  const core = construct(files)
  const addedTokens = core.get_added_tokens_decoder()
  const specialIds = new Set([...addedTokens].filter(([, token]) => token.special).map(([id]) => id))
  let vocabularySize = 0
  for (const id of core.get_vocab().values()) vocabularySize = Math.max(vocabularySize, id + 1)

  const idOf = (token: string | undefined) => (token === undefined ? undefined : core.token_to_id(token))
  const bosToken = tokenText(config.bos_token)
  const eosToken = tokenText(config.eos_token)
  const padToken = tokenText(config.pad_token)
  const eosId = idOf(eosToken)
  const template = source === undefined ? undefined : new ChatTemplate(source)
  const variables: TemplateVariables = { bosToken, eosToken, padToken, unkToken: tokenText(config.unk_token) }
  const cleanUp = config.clean_up_tokenization_spaces === true

  const encode = (text: string): number[] => {
    if (text === '') return []
    // A character without a token and without `unk` comes back as undefined: it has no id to give.
    return core.encode(text, { add_special_tokens: false }).ids.filter((id) => id !== undefined)
  }
  const render: Tokenizer['render'] = (messages, { addGenerationPrompt = false } = {}) => {
    if (!template) {
      throw new LmFailure({
        code: 'no-chat-template',
        message: `the tokenizer in ${folder} has no chat template`,
        hint: 'put one into tokenizer_config.json (`chat_template`) or chat_template.jinja',
        file: folder,
      })
    }
    return template.render(messages, { ...variables, addGenerationPrompt })
  }
  const endOfTurnId = template ? (turnEnd(render, encode, specialIds) ?? eosId) : eosId
  const stopIds = new Set(files.stopIds)
  if (eosId !== undefined) stopIds.add(eosId)
  if (endOfTurnId !== undefined) stopIds.add(endOfTurnId)

  return {
    folder,
    vocabularySize,
    specialIds,
    bosId: idOf(bosToken),
    eosId,
    padId: idOf(padToken) ?? eosId ?? 0,
    prefixIds: readPrefix(core),
    stopIds: [...stopIds],
    endOfTurnId,
    chatTemplate: source,
    encode,
    decode: (given, { skipSpecial = false } = {}) => {
      const known = given.filter(
        (id) => core.id_to_token(id) !== undefined && !(skipSpecial && specialIds.has(id)),
      )
      if (known.length === 0) return ''
      return core.decode(known, { skip_special_tokens: false, clean_up_tokenization_spaces: cleanUp })
    },
    id: (token) => core.token_to_id(token),
    token: (id) => core.id_to_token(id),
    render,
  }
}

function construct({ file, json, config }: TokenizerFiles): HfTokenizer {
  const parts = {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    added_tokens: [],
  }
  try {
    return new HfTokenizer({ ...parts, ...json }, config)
  } catch (error) {
    throw new LmFailure({
      code: 'unsupported-tokenizer',
      message: `${file} cannot be used: ${(error as Error).message}`,
      file,
    })
  }
}

/** `"</s>"` or `{ "content": "</s>", ... }`. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  if (
    typeof value === 'object' &&
    value !== null &&
    'content' in value &&
    typeof value.content === 'string'
  ) {
    return value.content
  }
  return undefined
}

function readPrefix(core: HfTokenizer): number[] {
  const bare = core.encode('a', { add_special_tokens: false }).ids
  const whole = core.encode('a', { add_special_tokens: true }).ids
  const start = whole.findIndex((_, at) => bare.every((id, i) => whole[at + i] === id))
  return whole.slice(0, Math.max(0, start))
}

/** The first special token that the template writes after an answer. */
function turnEnd(
  render: Tokenizer['render'],
  encode: Tokenizer['encode'],
  specialIds: ReadonlySet<number>,
): number | undefined {
  const answer = 'answer'
  let text: string
  try {
    text = render([
      { role: 'user', content: 'question' },
      { role: 'assistant', content: answer },
    ])
  } catch {
    // A template may refuse this small conversation and still serve others.
    return undefined
  }
  const tail = text.slice(text.lastIndexOf(answer) + answer.length)
  return encode(tail).find((id) => specialIds.has(id))
}
