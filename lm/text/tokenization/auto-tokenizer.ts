/**
 * @file What `AutoTokenizer` of transformers 5 makes of a `tokenizer.json` by what stands beside it. Some classes keep
 * the vocabulary alone and build the rest themselves; `tokenizer_config.json` adds tokens and decides on bos and eos.
 */
import { type AddedToken, readAddedToken, readAddedTokens } from './added-tokens.ts'
import { asPart, type Part } from './fault.ts'

/**
 * `config` is `tokenizer_config.json`, `modelType` comes from `config.json`. The classes of Qwen2 and Gemma build what
 * their files hold, so those stay as they are. Throws `TokenizerFault`.
 */
export function asAutoTokenizer(json: Part, config: Part, modelType: string | undefined): Part {
  const rebuilt = { ...json, ...pipelineOfClass(json, config, modelType) }
  const tokens = withConfiguredTokens(rebuilt, config)
  return {
    ...rebuilt,
    added_tokens: tokens.map(({ singleWord, ...token }) => ({ ...token, single_word: singleWord })),
    post_processor: postProcessor(json, config, tokens),
  }
}

/** Only for models of type `llama` does the named class decide; Qwen2 and Mistral have one of their own. */
function pipelineOfClass(json: Part, config: Part, modelType: string | undefined): Part {
  if (modelType !== undefined && modelType !== 'llama') return {}
  const name = typeof config.tokenizer_class === 'string' ? config.tokenizer_class.replace(/Fast$/, '') : ''
  if (name === 'LlamaTokenizer' && !isByteLevel(json)) return llamaTokenizer(json, config)
  if (name === 'GPT2Tokenizer') return gpt2Tokenizer(json, config)
  return {}
}

function isByteLevel({ pre_tokenizer, decoder }: Part): boolean {
  return JSON.stringify([pre_tokenizer, decoder]).includes('"type":"ByteLevel"')
}

/** Whether a section after a special token begins with a space is what `legacy` decides. */
function llamaTokenizer(json: Part, config: Part): Part {
  const prefixes = config.add_prefix_space !== false
  const scheme = !prefixes ? 'never' : config.legacy === true ? 'always' : 'first'
  const steps = [
    { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
    { type: 'ByteFallback' },
    { type: 'Fuse' },
    ...(prefixes ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
  ]
  return {
    model: bare(json, { fuse_unk: true, byte_fallback: true }),
    normalizer: null,
    pre_tokenizer: { type: 'Metaspace', replacement: '\u2581', prepend_scheme: scheme, split: false },
    decoder: { type: 'Sequence', decoders: steps },
  }
}

/** Leaves out what else the file's pre-tokenizer does: SmolLM2's single digits, for one. */
function gpt2Tokenizer(json: Part, config: Part): Part {
  return {
    model: bare(json, {}),
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: config.add_prefix_space === true, use_regex: true },
    decoder: { type: 'ByteLevel' },
  }
}

function bare(json: Part, settings: Part): Part {
  const { vocab, merges, type } = asPart(json.model, '`model`')
  return { vocab, merges, type, ...settings }
}

const NAMED = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token']

function withConfiguredTokens(json: Part, config: Part): AddedToken[] {
  const tokens = new Map(readAddedTokens(json.added_tokens).map((token) => [token.content, token]))
  const vocabulary = asPart(asPart(json.model, '`model`').vocab, '`vocab` of the model')
  let next = Object.keys(vocabulary).length
  for (const { id } of tokens.values()) next = Math.max(next, id + 1)
  const add = (token: AddedToken) => {
    const known = tokens.get(token.content)?.id ?? vocabulary[token.content]
    tokens.set(token.content, { ...token, id: typeof known === 'number' ? known : next++ })
  }
  const configured = asPart(
    config.added_tokens_decoder ?? {},
    '`added_tokens_decoder` of tokenizer_config.json',
  )
  for (const id of Object.keys(configured).sort((a, b) => Number(a) - Number(b))) {
    add(readAddedToken(configured[id], Number(id), `added token ${id} of tokenizer_config.json`))
  }
  const extra = [config.additional_special_tokens, config.extra_special_tokens].flatMap((list) =>
    Array.isArray(list) ? list : [],
  )
  for (const named of [...NAMED.map((name) => config[name]), ...extra]) {
    const content = tokenText(named)
    if (content === undefined || content === '') continue
    const known = tokens.get(content)
    add({ ...(known ?? plainToken(content)), special: true })
  }
  return [...tokens.values()]
}

function plainToken(content: string): AddedToken {
  return { id: 0, content, special: true, lstrip: false, rstrip: false, singleWord: false, normalized: false }
}

/** `"</s>"` or `{ "content": "</s>", ... }`. */
export function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value
  const content =
    typeof value === 'object' && value !== null && 'content' in value ? value.content : undefined
  return typeof content === 'string' ? content : undefined
}

/** `add_bos_token` and `add_eos_token`, where one is given, replace what the file says. */
function postProcessor(json: Part, config: Part, tokens: readonly AddedToken[]): unknown {
  if (config.add_bos_token === undefined && config.add_eos_token === undefined) return json.post_processor
  const bos = config.add_bos_token === true ? tokenText(config.bos_token) : undefined
  const eos = config.add_eos_token === true ? tokenText(config.eos_token) : undefined
  const written = tokens.filter(({ content }) => content === bos || content === eos)
  const piece = (token: string | undefined) => (token === undefined ? [] : [{ SpecialToken: { id: token } }])
  return {
    type: 'TemplateProcessing',
    single: [...piece(bos), { Sequence: { id: 'A' } }, ...piece(eos)],
    special_tokens: Object.fromEntries(written.map(({ content, id }) => [content, { ids: [id] }])),
  }
}
