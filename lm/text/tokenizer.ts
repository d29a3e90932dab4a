/** @file The tokenizer of a Hugging Face folder, with its special tokens, chat template and stop tokens. */
import { LmFailure } from '../failure.ts'
import { ChatTemplate, type MarkedText, type TemplateVariables } from './chat-template.ts'
import type { Message } from './messages.ts'
import { asAutoTokenizer, tokenText } from './tokenization/auto-tokenizer.ts'
import { TokenizerFault } from './tokenization/fault.ts'
import { TokenizerPipeline, type TokenSpan } from './tokenization/tokenizer-json.ts'
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
  /** The same tokens, each with its range of the text. */
  encodeWithOffsets(text: string): TokenSpan[]
  /** Ids outside the vocabulary leave no text; `[]` gives `''`. */
  decode(ids: readonly number[], options?: DecodeOptions): string
  id(token: string): number | undefined
  token(id: number): string | undefined
  /**
   * The text that the chat template makes of a conversation. Throws `LmFailure` `no-chat-template`,
   * `chat-template-refused`.
   */
  render(messages: readonly Message[], options?: RenderOptions): string
  /** The same text with the parts that the template marks as the assistant's; undefined where it marks none. */
  renderMarked(messages: readonly Message[]): MarkedText | undefined
}

export interface RenderOptions {
  /** @default false */
  readonly addGenerationPrompt?: boolean
  /** What else the template may ask for: `{ enable_thinking: false }`. */
  readonly variables?: Readonly<Record<string, unknown>>
}

export interface LoadTokenizerOptions {
  /**
   * Tokens that the model has embeddings for. A tokenizer may know more (Gemma 3 1B's knows a token for images): a text
   * that needs one of those cannot be encoded.
   */
  readonly modelVocabularySize?: number
}

/**
 * Loads the tokenizer of a model or tokenizer folder, or of a GGUF file, as `AutoTokenizer` of transformers 5 does.
 * Throws `LmFailure`: those of `readTokenizerFiles`, `damaged-tokenizer`, `unsupported-tokenizer`,
 * `invalid-chat-template`. Encoding throws `token-outside-model`.
 */
export function loadTokenizer(
  folder: string,
  { modelVocabularySize = Number.POSITIVE_INFINITY }: LoadTokenizerOptions = {},
): Tokenizer {
  const files = readTokenizerFiles(folder)
  const { config, template: source } = files
  const pipeline = construct(files)
  const specialIds = new Set(pipeline.added.tokens.filter(({ special }) => special).map(({ id }) => id))

  const idOf = (token: string | undefined) => (token === undefined ? undefined : pipeline.id(token))
  const bosToken = tokenText(config.bos_token)
  const eosToken = tokenText(config.eos_token)
  const padToken = tokenText(config.pad_token)
  const eosId = idOf(eosToken)
  const template = source === undefined ? undefined : new ChatTemplate(source, folder)
  const variables: TemplateVariables = { bosToken, eosToken, padToken, unkToken: tokenText(config.unk_token) }

  const checked = (ids: number[]): number[] => {
    if (pipeline.size <= modelVocabularySize) return ids
    const outside = ids.find((id) => id >= modelVocabularySize)
    if (outside === undefined) return ids
    throw new LmFailure({
      code: 'token-outside-model',
      message: `the text holds ${pipeline.token(outside)}, token ${outside}, but the model has ${modelVocabularySize} tokens`,
      hint: "is the tokenizer another model's? If not, take the token out of the data",
      file: folder,
    })
  }
  const encode = (text: string) => checked(pipeline.encode(text))
  const render: Tokenizer['render'] = (messages, { addGenerationPrompt = false, variables: more } = {}) => {
    if (!template) {
      throw new LmFailure({
        code: 'no-chat-template',
        message: `the tokenizer in ${folder} has no chat template`,
        hint: 'put one into tokenizer_config.json (`chat_template`) or chat_template.jinja',
        file: folder,
      })
    }
    return template.render(messages, { ...variables, addGenerationPrompt, more })
  }
  const endOfTurnId = template ? (turnEnd(render, encode, specialIds) ?? eosId) : eosId
  const stopIds = new Set(files.stopIds)
  if (eosId !== undefined) stopIds.add(eosId)
  if (endOfTurnId !== undefined) stopIds.add(endOfTurnId)

  return {
    folder,
    vocabularySize: pipeline.size,
    specialIds,
    bosId: idOf(bosToken),
    eosId,
    padId: idOf(padToken) ?? eosId ?? 0,
    prefixIds: checked([...pipeline.post.before]),
    stopIds: [...stopIds],
    endOfTurnId,
    chatTemplate: source,
    encode,
    encodeWithOffsets: (text) => {
      const spans = pipeline.encodeWithOffsets(text)
      checked(spans.map(({ id }) => id))
      return spans
    },
    decode: (ids, { skipSpecial = false } = {}) => pipeline.decode(ids, skipSpecial),
    id: (token) => pipeline.id(token),
    token: (id) => pipeline.token(id),
    render,
    renderMarked: (messages) =>
      template?.marksGeneration ? template.renderMarked(messages, variables) : undefined,
  }
}

function construct({ file, json, config, modelType }: TokenizerFiles): TokenizerPipeline {
  try {
    return new TokenizerPipeline(asAutoTokenizer(json, config, modelType))
  } catch (error) {
    if (!(error instanceof TokenizerFault)) throw error
    throw new LmFailure({
      code: error.code,
      message: `${file} cannot be used: ${error.message}`,
      ...(error.code === 'damaged-tokenizer' && { hint: 'take it anew from where the model came from' }),
      file,
    })
  }
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
