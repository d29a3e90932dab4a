/** @file A tokenizer as GGUF metadata, from which llama.cpp builds one that gives the same ids. */
import type { TokenizerFiles } from '../../text/tokenizer-files.ts'
import type { Field } from './format.ts'
import { matchingPreTokenizer } from './pre-tokenizers.ts'
import { sentencePieceFields } from './sentencepiece.ts'
import { TokenType } from './token-type.ts'
import { cannotSay } from './write-config.ts'

interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special: boolean
}

/**
 * @param rows of the embedding: the tokens beyond the tokenizer's become unused ones
 * @param prefixIds what the tokenizer puts before a plain text
 * @throws LmFailure `gguf-cannot-say`
 */
export function tokenizerFields(
  files: TokenizerFiles,
  rows: number,
  prefixIds: readonly number[],
): Map<string, Field> {
  const { file, json, config, template, stopIds } = files
  const model = (json.model ?? {}) as Record<string, unknown>
  if (model.type !== 'BPE') throw cannotSay(file, `a tokenizer of the kind ${JSON.stringify(model.type)}`)
  const added = new Map(((json.added_tokens ?? []) as AddedToken[]).map((token) => [token.id, token]))
  const tokens = Array.from({ length: rows }, (_, id) => `[PAD${id}]`)
  const types: number[] = Array.from({ length: rows }, () => TokenType.unused)
  const ids = new Map<string, number>()
  for (const [token, id] of Object.entries(model.vocab as Record<string, number>)) {
    ids.set(token, id)
    if (id >= rows) throw cannotSay(file, `token ${id}, for which the model has no row`)
    tokens[id] = token
    types[id] = TokenType.normal
  }
  for (const [id, { content, special }] of added) {
    if (id >= rows) throw cannotSay(file, `token ${id}, for which the model has no row`)
    ids.set(content, id)
    const isControl = special || looksSpecial(content)
    tokens[id] = isControl ? content : content.replaceAll('\u2581', ' ')
    types[id] = isControl ? TokenType.control : TokenType.userDefined
  }
  const merges = ((model.merges ?? []) as (string | readonly [string, string])[]).map((merge) =>
    typeof merge === 'string' ? merge : merge.join(' '),
  )
  const idOf = (token: unknown) => ids.get(textOf(token) ?? '')
  const pre = matchingPreTokenizer(json)
  const kind =
    pre === undefined
      ? sentencePieceFields(json, { tokens, types, merges, unknownId: idOf(model.unk_token) })
      : undefined
  if (pre === undefined && kind === undefined) {
    throw cannotSay(file, 'its tokenizer: no way to cut text that llama.cpp knows is the same')
  }
  const fields = new Map<string, Field>([
    ['tokenizer.ggml.model', { type: 'string', value: pre === undefined ? 'llama' : 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: pre?.name ?? 'default' }],
    ['tokenizer.ggml.tokens', { type: 'array', element: 'string', value: tokens }],
    ...(kind === undefined ? [] : kind.scores),
    ['tokenizer.ggml.token_type', { type: 'array', element: 'i32', value: kind?.types ?? types }],
    ...(kind === undefined
      ? ([['tokenizer.ggml.merges', { type: 'array', element: 'string', value: merges }]] as const)
      : []),
  ])
  const special = {
    bos: config.bos_token,
    eos: config.eos_token,
    unknown: config.unk_token,
    padding: config.pad_token,
  }
  for (const [role, token] of Object.entries(special)) {
    const id = idOf(token)
    if (id !== undefined) fields.set(`tokenizer.ggml.${role}_token_id`, { type: 'u32', value: id })
  }
  const turnEnd = stopIds.find((id) => id !== idOf(config.eos_token))
  if (turnEnd !== undefined) fields.set('tokenizer.ggml.eot_token_id', { type: 'u32', value: turnEnd })
  const bos = idOf(config.bos_token)
  if (prefixIds.length > 1 || (prefixIds.length === 1 && prefixIds[0] !== bos)) {
    throw cannotSay(file, 'other tokens before a text than its bos')
  }
  if (bos !== undefined) {
    fields.set('tokenizer.ggml.add_bos_token', { type: 'bool', value: prefixIds.length === 1 })
  }
  if (kind !== undefined) {
    fields.set('tokenizer.ggml.add_space_prefix', { type: 'bool', value: kind.addsSpace })
  }
  if (template !== undefined) fields.set('tokenizer.chat_template', { type: 'string', value: template })
  return fields
}

function textOf(token: unknown): string | undefined {
  if (typeof token === 'string') return token
  const { content } = (token ?? {}) as { content?: unknown }
  return typeof content === 'string' ? content : undefined
}

/** Tokens that are control tokens by their looks, though some tokenizers do not say so: the list of llama.cpp's converter. */
function looksSpecial(token: string): boolean {
  return (
    ['<pad>', '<mask>', '<2mass>', '[@BOS@]'].includes(token) ||
    /^<\|.*\|>$/s.test(token) ||
    /^<｜.*｜>$/s.test(token) ||
    /^<unused.*>$/s.test(token)
  )
}
