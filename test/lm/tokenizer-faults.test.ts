/** @file Broken tokenizers: each is refused by name before anything is computed. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LmFailure } from '../../lm/failure.ts'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { referencePath } from './reference.ts'

// biome-ignore lint/suspicious/noExplicitAny: the tests break the file in every way
type Json = any

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flow-tokenizer-'))
  cpSync(referencePath('tokenizers/qwen2'), folder, { recursive: true })
})
afterEach(() => rmSync(folder, { recursive: true }))

function breakFile(name: string, change: (json: Json) => void): void {
  const file = join(folder, name)
  const json = JSON.parse(readFileSync(file, 'utf8'))
  change(json)
  writeFileSync(file, JSON.stringify(json))
}

function failure(act: () => unknown): LmFailure {
  try {
    act()
  } catch (error) {
    if (error instanceof LmFailure) return error
    throw error
  }
  throw new Error('nothing failed')
}

const faults: readonly [what: string, change: (json: Json) => void, code: string, message: RegExp][] = [
  ['no model', (json) => delete json.model, 'damaged-tokenizer', /`model` is missing/],
  [
    'another kind of model',
    (json) => (json.model.type = 'Unigram'),
    'unsupported-tokenizer',
    /"Unigram".*only BPE/,
  ],
  ['dropout', (json) => (json.model.dropout = 0.1), 'unsupported-tokenizer', /`dropout` 0.1/],
  [
    'no vocabulary',
    (json) => delete json.model.vocab,
    'damaged-tokenizer',
    /`vocab` of the model is missing/,
  ],
  ['an empty vocabulary', (json) => (json.model.vocab = {}), 'damaged-tokenizer', /vocabulary/],
  [
    'one id twice',
    (json) => (json.model.vocab.a = json.model.vocab.b),
    'damaged-tokenizer',
    /"a" and "b" both have the id/,
  ],
  ['an id that is none', (json) => (json.model.vocab.a = -1), 'damaged-tokenizer', /the id of "a" is -1/],
  [
    'no merges',
    (json) => delete json.model.merges,
    'damaged-tokenizer',
    /`merges` of the model is not a list/,
  ],
  [
    'a merge of absent tokens',
    (json) => json.model.merges.push(['a', 'zzz']),
    'damaged-tokenizer',
    /merge \d+ needs "zzz"/,
  ],
  [
    'a merge into nothing',
    (json) => json.model.merges.push(['Ġ', 'Ģ']),
    'damaged-tokenizer',
    /needs "ĠĢ", which is not/,
  ],
  [
    'a merge of three',
    (json) => json.model.merges.push('a b c'),
    'damaged-tokenizer',
    /merge \d+ is not a pair: "a b c"/,
  ],
  [
    'an unknown token that is none',
    (json) => (json.model.unk_token = '<?>'),
    'damaged-tokenizer',
    /`unk_token` "<\?>"/,
  ],
  [
    'an unknown normalizer',
    (json) => (json.normalizer.type = 'Odd'),
    'unsupported-tokenizer',
    /normalizer of type "Odd"/,
  ],
  [
    'an unknown pre-tokenizer',
    (json) => (json.pre_tokenizer.pretokenizers[0].type = 'Odd'),
    'unsupported-tokenizer',
    /pre-tokenizer of type "Odd"/,
  ],
  [
    'an unreadable pattern',
    (json) => (json.pre_tokenizer.pretokenizers[0].pattern.Regex = '(?<name'),
    'unsupported-tokenizer',
    /the pattern "\(\?<name" cannot be used/,
  ],
  [
    'an unknown decoder',
    (json) => (json.decoder.type = 'Odd'),
    'unsupported-tokenizer',
    /decoder of type "Odd"/,
  ],
  [
    'an added token without a text',
    (json) => delete json.added_tokens[0].content,
    'damaged-tokenizer',
    /`content` of added token 1/,
  ],
  [
    'an added token without an id',
    (json) => delete json.added_tokens[1].id,
    'damaged-tokenizer',
    /the id of added token 2/,
  ],
  [
    'two added tokens with one id',
    (json) => (json.added_tokens[1].id = json.added_tokens[0].id),
    'damaged-tokenizer',
    /two added tokens have the same id/,
  ],
]

describe('tokenizer.json', () => {
  test.each(faults)('with %s', (_, change, code, message) => {
    breakFile('tokenizer.json', change)
    const failed = failure(() => loadTokenizer(folder))
    expect(failed).toMatchObject({ code, file: join(folder, 'tokenizer.json') })
    expect(failed.message).toMatch(message)
  })

  test('with an unknown post-processor, where tokenizer_config.json does not replace it', () => {
    breakFile('tokenizer_config.json', (json) => delete json.add_bos_token)
    breakFile('tokenizer.json', (json) => (json.post_processor.type = 'Odd'))
    expect(failure(() => loadTokenizer(folder)).message).toMatch(/post-processor of type "Odd"/)
  })

  test('with a post-processor that writes a token that is nobody’s', () => {
    breakFile('tokenizer_config.json', (json) => delete json.add_bos_token)
    breakFile('tokenizer.json', (json) => {
      json.post_processor = {
        type: 'TemplateProcessing',
        single: [{ SpecialToken: { id: '<s>' } }, { Sequence: { id: 'A' } }],
        special_tokens: { '<s>': { ids: [99_999] } },
      }
    })
    expect(failure(() => loadTokenizer(folder)).message).toMatch(/writes token 99999, which is nobody's/)
  })

  test.each([
    ['cut short', '{"model": {"type": "BPE", "voc'],
    ['not an object', '[1, 2]'],
    ['empty', ''],
  ])('that is %s', (_, text) => {
    writeFileSync(join(folder, 'tokenizer.json'), text)
    const failed = failure(() => loadTokenizer(folder))
    expect(failed.code).toBe('invalid-json')
    expect(failed.message).toContain('tokenizer.json')
  })

  test('that is missing', () => {
    rmSync(join(folder, 'tokenizer.json'))
    expect(failure(() => loadTokenizer(folder)).code).toBe('missing-file')
  })
})

test('ids that nobody has leave no text, and the others keep theirs', () => {
  const whole = loadTokenizer(folder)
  const hole = whole.id('<|im_end|>')! + 5
  breakFile('tokenizer.json', (json) => {
    json.model.vocab.zzz = hole + 1
  })
  const tokenizer = loadTokenizer(folder)
  expect(tokenizer.vocabularySize).toBe(hole + 2)
  expect(tokenizer.token(hole)).toBeUndefined()
  expect(tokenizer.decode([hole, ...whole.encode('cat'), hole + 1])).toBe('catzzz')
})

test('a text that needs a token which the model has no embedding for', () => {
  const size = loadTokenizer(folder).id('<|im_start|>')!
  const tokenizer = loadTokenizer(folder, { modelVocabularySize: size })
  expect(tokenizer.encode('plain text')).not.toHaveLength(0)
  for (const encode of [tokenizer.encode, tokenizer.encodeWithOffsets]) {
    const failed = failure(() => encode('<|im_start|>user'))
    expect(failed.code).toBe('token-outside-model')
    expect(failed.message).toContain(`<|im_start|>, token ${size}, but the model has ${size} tokens`)
  }
})

describe('a chat template', () => {
  test('that is no Jinja names its fault', () => {
    writeFileSync(join(folder, 'chat_template.jinja'), '{% for message in messages %}{{ message.content }}')
    expect(failure(() => loadTokenizer(folder)).code).toBe('invalid-chat-template')
  })

  test('that is missing is missed when it is asked for', () => {
    const failed = failure(() => loadTokenizer(folder).render([{ role: 'user', content: 'x' }]))
    expect(failed).toMatchObject({ code: 'no-chat-template', file: folder })
    expect(failed.hint).toMatch(/tokenizer_config\.json/)
  })
})
