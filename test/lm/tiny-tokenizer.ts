/** @file A byte-level BPE of a few hundred tokens, written as a Hugging Face folder for tests. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}" +
  "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"

/** Qwen2's: each digit alone, line breaks together. */
const QWEN_PATTERN =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

export interface TinyTokenizerOptions {
  /** A plain model has none. */
  readonly chatTemplate?: string
  readonly eosToken?: string
  readonly padToken?: string
  /** Put before a plain text by the post-processor. */
  readonly bosToken?: string
  /** Pairs of byte-level symbols; `Ċ` is the line feed. */
  readonly merges?: readonly (readonly [string, string])[]
  readonly files?: Readonly<Record<string, unknown>>
}

export const SPECIAL = ['<|endoftext|>', '<|im_start|>', '<|im_end|>']

/** Ids: the special tokens, then the bytes in the order of their symbols, then the merges. */
export function writeTinyTokenizer(folder: string, options: TinyTokenizerOptions = {}): string {
  const merges = options.merges ?? [
    ['Ċ', 'Ċ'],
    ['u', 's'],
    ['e', 'r'],
    ['us', 'er'],
  ]
  const vocabulary = [...SPECIAL, ...byteSymbols(), ...merges.map(([left, right]) => left + right)]
  const tokens = SPECIAL.map((content, id) => ({
    id,
    content,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  }))
  const bos = options.bosToken
  mkdirSync(folder, { recursive: true })
  const write = (name: string, value: unknown) => writeFileSync(join(folder, name), JSON.stringify(value))
  write('tokenizer.json', {
    version: '1.0',
    added_tokens: tokens,
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: QWEN_PATTERN }, behavior: 'Isolated', invert: false },
        { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false },
      ],
    },
    post_processor: bos
      ? {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: bos, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
          pair: [],
          special_tokens: { [bos]: { id: bos, ids: [SPECIAL.indexOf(bos)], tokens: [bos] } },
        }
      : null,
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(vocabulary.map((token, id) => [token, id])),
      merges,
    },
  })
  write('tokenizer_config.json', {
    eos_token: options.eosToken ?? '<|im_end|>',
    ...(options.padToken !== undefined && { pad_token: options.padToken }),
    ...(bos !== undefined && { bos_token: bos }),
    ...(options.chatTemplate !== undefined && { chat_template: options.chatTemplate }),
  })
  for (const [name, value] of Object.entries(options.files ?? {})) {
    if (typeof value === 'string') writeFileSync(join(folder, name), value)
    else write(name, value)
  }
  return folder
}

/** GPT-2's printable stand-ins for the 256 bytes, in byte order. */
function byteSymbols(): string[] {
  let next = 256
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable =
      (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff)
    return String.fromCodePoint(isPrintable ? byte : next++)
  })
}
