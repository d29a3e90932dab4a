import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Template } from '@huggingface/jinja'
import { Tokenizer } from '@huggingface/tokenizers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  BYTE_CHARACTERS,
  type BytePairEncoding,
  preTokenize,
  trainBytePairEncoding,
} from '../../lm/text/bpe-trainer.ts'
import { writeTokenizerFolder } from '../../lm/text/tokenizer-folder.ts'

const repeat = (text: string, times: number) => Array.from({ length: times }, () => text)

describe('trainBytePairEncoding', () => {
  // Pairs at first: an 13, ta 8, pa 8, at 3, ns 2. After "an": t+an 8, p+an 5, p+a 3, a+t 3, an+s 2.
  const texts = [...repeat('tan', 6), ...repeat('pan', 5), ...repeat('pat', 3), ...repeat('tans', 2)]

  it('merges the most frequent pair; among equals the one of the lowest ids', () => {
    const { merges, tokens } = trainBytePairEncoding(texts, { vocabularySize: 1000 })
    expect(merges.map((pair) => pair.join(' '))).toEqual(['a n', 't an', 'p an', 'a t', 'p at', 'tan s'])
    expect(tokens.slice(256)).toEqual(['an', 'tan', 'pan', 'at', 'pat', 'tans'])
  })

  it('stops at the vocabulary size and at the minimum frequency', () => {
    expect(trainBytePairEncoding(texts, { vocabularySize: 258 }).merges).toHaveLength(2)
    expect(trainBytePairEncoding(texts, { vocabularySize: 1000, minimumFrequency: 3 }).merges).toHaveLength(5)
    expect(() => trainBytePairEncoding(texts, { vocabularySize: 255 })).toThrow(RangeError)
  })

  it('merges a run of one letter from its left end', () => {
    // a a a a a -> aa aa a -> aa aaa -> aaaaa
    const { merges } = trainBytePairEncoding(repeat('aaaaa', 2), { vocabularySize: 1000 })
    expect(merges.map((pair) => pair.join(' '))).toEqual(['a a', 'aa a', 'aa aaa'])
  })

  it('gives special tokens the first ids and never merges across them', () => {
    const { tokens, merges } = trainBytePairEncoding(repeat('x<|end|>y', 5), {
      vocabularySize: 1000,
      specialTokens: ['<|pad|>', '<|end|>'],
    })
    expect(tokens.slice(0, 3)).toEqual(['<|pad|>', '<|end|>', '!'])
    expect(tokens).toHaveLength(258)
    expect(merges).toEqual([])
  })
})

describe('preTokenize', () => {
  it.each([
    ["It's 42, isn't IT'S?", ['It', "'s", ' ', '4', '2', ',', ' isn', "'t", ' IT', "'S", '?']],
    ['  two\n\n x', [' ', ' two', '\n\n', ' x']],
    ['a+b=(c).\n', ['a', '+b', '=(', 'c', ').\n']],
    ['e\u0301', ['\u00e9']],
    ['', []],
  ])('cuts %j', (text, expected) => {
    expect(preTokenize(text)).toEqual(expected)
  })
})

describe('writeTokenizerFolder', () => {
  const specialTokens = ['<|endoftext|>', '<|im_start|>', '<|im_end|>']
  const corpus = [
    'Question: What is 47 plus 38?\nReply: 40+30=70, 7+8=15, 70+15=85. Answer: 85\n',
    'Question: Join the last letters of plane and cat.\nReply: Answer: et\n',
    '<|im_start|>user\nna\u00efve caf\u00e9<|im_end|>\n',
  ].flatMap((text) => repeat(text, 3))
  let folder: string
  let encoding: BytePairEncoding
  let tokenizer: Tokenizer
  let config: { chat_template: string; eos_token: string; pad_token: string }

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'tokenizer-'))
    encoding = trainBytePairEncoding(corpus, { vocabularySize: 320, specialTokens })
    await writeTokenizerFolder(folder, encoding, { modelMaxLength: 128 })
    const read = async (name: string) => JSON.parse(await readFile(join(folder, name), 'utf8'))
    config = await read('tokenizer_config.json')
    tokenizer = new Tokenizer(await read('tokenizer.json'), config)
  })
  afterAll(() => rm(folder, { recursive: true }))

  it.each([
    '',
    '  two  spaces \n\n x',
    'na\u00efve cafe\u0301 \u017f \u017fs \u{1f389}\u{1f468}\u200d\u{1f469}\u200d\u{1f467} \u65e5\u672c\u8a9e',
    "tabs\tand\r\nline ends\u0085\u00a0\ufeff don't I'LL WE'Re",
    '123 4567 \u00bd \u00b2 \u0000\u0001',
    '<|im_start|>user\nhi<|im_end|>\n<|endoftext|> end',
  ])('reads back %j', (text) => {
    const { ids } = tokenizer.encode(text, { add_special_tokens: false })
    const decoded = ids.length === 0 ? '' : tokenizer.decode(ids, { skip_special_tokens: false })
    expect(decoded).toBe(text.normalize('NFC'))
  })

  it('is read by the tokenizer library as the trainer means it', () => {
    const idOf = new Map(encoding.tokens.map((token, id) => [token, id]))
    for (const text of new Set(corpus)) {
      const expected = text.split(/(<\|im_start\|>|<\|im_end\|>)/).flatMap((part) => {
        const special = specialTokens.indexOf(part)
        return special >= 0 ? [special] : preTokenize(part).flatMap((word) => mergeWord(word, idOf))
      })
      expect(tokenizer.encode(text, { add_special_tokens: false }).ids).toEqual(expected)
    }
  })

  /** The definition, without any cleverness: each merge in turn, over the whole word. */
  function mergeWord(word: string, idOf: ReadonlyMap<string, number>): number[] {
    let symbols = [...Buffer.from(word, 'utf8')].map((byte) => BYTE_CHARACTERS[byte] as string)
    for (const [left, right] of encoding.merges) {
      const merged: string[] = []
      for (let i = 0; i < symbols.length; i++) {
        if (symbols[i] === left && symbols[i + 1] === right) merged.push(left + symbols[++i])
        else merged.push(symbols[i] as string)
      }
      symbols = merged
    }
    return symbols.map((symbol) => idOf.get(symbol) as number)
  }

  it('writes turns without a system prompt of its own', () => {
    const messages = [
      { role: 'user', content: 'What is 1 plus 2?' },
      { role: 'assistant', content: 'Answer: 3' },
    ]
    const render = (turns: typeof messages, add_generation_prompt: boolean) =>
      new Template(config.chat_template).render({ messages: turns, add_generation_prompt })
    const prompt = '<|im_start|>user\nWhat is 1 plus 2?<|im_end|>\n<|im_start|>assistant\n'
    expect(render(messages.slice(0, 1), true)).toBe(prompt)
    expect(render(messages, false)).toBe(`${prompt}Answer: 3<|im_end|>\n`)
    expect(config).toMatchObject({ eos_token: '<|im_end|>', pad_token: '<|endoftext|>' })
  })
})
