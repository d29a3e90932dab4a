/** @file The tokenizer in a GGUF file's metadata as the files that Hugging Face keeps of it. */
import type { TokenizerFiles } from '../../text/tokenizer-files.ts'
import { Fields, refuse } from './fields.ts'
import { readGgufHeader } from './header.ts'
import { preTokenizerJson, preTokenizers } from './pre-tokenizers.ts'
import { mergesByScore, spaceMark } from './sentencepiece.ts'
import { TokenType } from './token-type.ts'

/** @throws LmFailure `damaged-gguf`, `unsupported-gguf` */
export function readGgufTokenizer(file: string): TokenizerFiles {
  const fields = new Fields(readGgufHeader(file))
  const tokens = fields.required('tokenizer.ggml.tokens', fields.texts('tokenizer.ggml.tokens'))
  const types = fields.numbers('tokenizer.ggml.token_type') ?? []
  const typeOf = (id: number) => types[id] ?? TokenType.normal
  const token = (role: string) => {
    const id = fields.number(`tokenizer.ggml.${role}_token_id`)
    return id === undefined ? undefined : tokens[id]
  }
  const model = fields.text('tokenizer.ggml.model')
  const parts =
    model === 'gpt2'
      ? byteLevel(fields)
      : model === 'llama'
        ? sentencePiece(fields, tokens, token('unknown'))
        : refuse(file, `\`tokenizer.ggml.model\` ${JSON.stringify(model)}`, 'supported: gpt2, llama')

  const vocab: Record<string, number> = {}
  const added: object[] = []
  for (const [id, content] of tokens.entries()) {
    const type = typeOf(id)
    if (type === TokenType.unused) continue
    const isSpecial = type === TokenType.control || type === TokenType.unknown
    if (isSpecial || type === TokenType.userDefined) added.push(addedToken(id, content, isSpecial))
    // SentencePiece's `unk` must be in the vocabulary to stand for what is not.
    if (type === TokenType.normal || type === TokenType.byte || type === TokenType.unknown)
      vocab[content] = id
  }
  const bos = token('bos')
  const addsBos = (fields.flag('tokenizer.ggml.add_bos_token') ?? parts.addsBos) && bos !== undefined
  const stops = ['eos', 'eot'].map((role) => fields.number(`tokenizer.ggml.${role}_token_id`))
  return {
    file,
    json: {
      added_tokens: added,
      normalizer: parts.normalizer,
      pre_tokenizer: parts.preTokenizer,
      post_processor: addsBos ? bosBefore(bos, tokens.indexOf(bos)) : null,
      decoder: parts.decoder,
      model: { type: 'BPE', vocab, ...parts.model, merges: parts.model.merges.filter(isWithin(vocab)) },
    },
    config: {
      bos_token: bos,
      eos_token: token('eos'),
      pad_token: token('padding'),
      unk_token: token('unknown'),
      clean_up_tokenization_spaces: false,
      tokenizer_class: 'PreTrainedTokenizerFast',
    },
    modelType: undefined,
    template: fields.text('tokenizer.chat_template'),
    stopIds: stops.filter((id) => id !== undefined),
  }
}

/** Tokens that are found as text are made by no merge. */
function isWithin(vocabulary: Readonly<Record<string, number>>) {
  return ([left, right]: readonly [string, string]) =>
    [left, right, left + right].every((token) => Object.hasOwn(vocabulary, token))
}

interface Parts {
  readonly normalizer: object | null
  readonly preTokenizer: object | null
  readonly decoder: object
  readonly model: { readonly merges: readonly (readonly [string, string])[] } & Readonly<
    Record<string, unknown>
  >
  /** Where the file says nothing. */
  readonly addsBos: boolean
}

function byteLevel(fields: Fields): Parts {
  const name = fields.text('tokenizer.ggml.pre') ?? 'default'
  const known = preTokenizers.find((candidate) => candidate.name === name || candidate.aliases.includes(name))
  if (known === undefined) {
    const names = preTokenizers.map((candidate) => candidate.name).join(', ')
    return refuse(fields.file, `\`tokenizer.ggml.pre\` ${JSON.stringify(name)}`, `supported: ${names}`)
  }
  const merges = fields.required('tokenizer.ggml.merges', fields.texts('tokenizer.ggml.merges'))
  return {
    normalizer: known.normalizer,
    preTokenizer: preTokenizerJson(known),
    decoder: { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
    model: {
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: known.ignoreMerges,
      // A token's first character may be a space only in files that others have damaged.
      merges: merges.map((merge) => [
        merge.slice(0, merge.indexOf(' ', 1)),
        merge.slice(merge.indexOf(' ', 1) + 1),
      ]),
    },
    addsBos: known.addsBos,
  }
}

function sentencePiece(fields: Fields, tokens: readonly string[], unknown: string | undefined): Parts {
  const scores = fields.required('tokenizer.ggml.scores', fields.numbers('tokenizer.ggml.scores'))
  const hasPrefix = fields.flag('tokenizer.ggml.add_space_prefix') ?? true
  const replace = { type: 'Replace', pattern: { String: ' ' }, content: spaceMark }
  const prepend = { type: 'Prepend', prepend: spaceMark }
  const decoders = [
    { type: 'Replace', pattern: { String: spaceMark }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(hasPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ]
  return {
    normalizer: hasPrefix ? { type: 'Sequence', normalizers: [prepend, replace] } : replace,
    preTokenizer: null,
    decoder: { type: 'Sequence', decoders },
    model: {
      unk_token: unknown ?? null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      merges: mergesByScore(tokens, scores),
    },
    addsBos: true,
  }
}

function addedToken(id: number, content: string, special: boolean): object {
  return { id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }
}

function bosBefore(token: string, id: number): object {
  const sequence = (name: string, type: number) => ({ Sequence: { id: name, type_id: type } })
  const bos = (type: number) => ({ SpecialToken: { id: token, type_id: type } })
  return {
    type: 'TemplateProcessing',
    single: [bos(0), sequence('A', 0)],
    pair: [bos(0), sequence('A', 0), bos(1), sequence('B', 1)],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  }
}
