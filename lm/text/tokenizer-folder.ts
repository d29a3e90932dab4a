/**
 * @file Writes a trained byte-pair encoding as a Hugging Face tokenizer folder: `tokenizer.json` and
 * `tokenizer_config.json`. Normaliser and pre-tokeniser are those of Qwen2, since transformers 5 gives a model of
 * type `qwen2` its own, whatever the file says: file and class must agree.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type BytePairEncoding, PRE_TOKEN_PATTERN } from './bpe-trainer.ts'

/** Turns as `<|im_start|>role`, the text, `<|im_end|>`; no system prompt of its own. */
export const CHAT_TEMPLATE =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

/** Separates documents and pads batches. */
export const END_OF_TEXT = '<|endoftext|>'
export const START_OF_TURN = '<|im_start|>'
export const END_OF_TURN = '<|im_end|>'

export interface TokenizerFolderOptions {
  /** Longest input of the model, in tokens. */
  readonly modelMaxLength: number
}

export async function writeTokenizerFolder(
  folder: string,
  encoding: BytePairEncoding,
  options: TokenizerFolderOptions,
): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeJson(join(folder, 'tokenizer.json'), tokenizerJson(encoding))
  await writeJson(join(folder, 'tokenizer_config.json'), tokenizerConfig(encoding, options))
}

function tokenizerJson(encoding: BytePairEncoding) {
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false }
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: encoding.specialTokens.map((content, id) => ({ id, ...addedToken(content) })),
    normalizer: { type: 'NFC' },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: PRE_TOKEN_PATTERN }, behavior: 'Isolated', invert: false },
        byteLevel,
      ],
    },
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(encoding.tokens.map((token, id) => [token, id])),
      // A token in bytes never holds a space, so "left right" is unambiguous, and every reader knows this form.
      merges: encoding.merges.map(([left, right]) => `${left} ${right}`),
    },
  }
}

function tokenizerConfig(encoding: BytePairEncoding, options: TokenizerFolderOptions) {
  return {
    added_tokens_decoder: Object.fromEntries(
      encoding.specialTokens.map((content, id) => [String(id), addedToken(content)]),
    ),
    additional_special_tokens: encoding.specialTokens.filter((token) => token !== END_OF_TEXT),
    add_prefix_space: false,
    bos_token: null,
    chat_template: CHAT_TEMPLATE,
    clean_up_tokenization_spaces: false,
    eos_token: END_OF_TURN,
    errors: 'replace',
    model_max_length: options.modelMaxLength,
    pad_token: END_OF_TEXT,
    split_special_tokens: false,
    tokenizer_class: 'Qwen2Tokenizer',
    unk_token: null,
  }
}

function addedToken(content: string) {
  return { content, lstrip: false, normalized: false, rstrip: false, single_word: false, special: true }
}

async function writeJson(file: string, value: object): Promise<void> {
  await writeFile(file, `${JSON.stringify(value, null, 2)}\n`)
}
