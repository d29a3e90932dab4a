import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import {
  encodeCompletion,
  encodeConversation,
  encodePair,
  encodePrompt,
  isPromptKept,
} from '../../lm/text/conversation.ts'
import type { Message } from '../../lm/text/messages.ts'
import { loadTokenizer, type Tokenizer } from '../../lm/text/tokenizer.ts'
import { truncateCompletion, truncateConversation } from '../../lm/text/truncate.ts'
import { CHATML, type TinyTokenizerOptions, writeTinyTokenizer } from './tiny-tokenizer.ts'

const root = mkdtempSync(join(tmpdir(), 'flow-conversation-'))
afterAll(() => rmSync(root, { recursive: true }))

let count = 0
const make = (options: TinyTokenizerOptions): Tokenizer =>
  loadTokenizer(writeTinyTokenizer(join(root, String(count++)), options))
/** Padding equals the end token, as in many checkpoints. */
const chat = make({ chatTemplate: CHATML })
const plain = make({ eosToken: '<|endoftext|>' })

const user = (content: string): Message => ({ role: 'user', content })
const assistant = (content: string): Message => ({ role: 'assistant', content })

function marked(tokenizer: Tokenizer, messages: readonly Message[]): string {
  const { ids, assistant: mask } = encodeConversation(tokenizer, messages)
  return tokenizer.decode(ids.filter((_, i) => mask[i] === 1))
}

describe('the mask of a conversation', () => {
  test('no token of the prompt counts, and the end of the turn does, though padding equals it', () => {
    expect(chat.padId).toBe(chat.eosId)
    const { ids, assistant: mask } = encodeConversation(chat, [user('2+2?'), assistant('4')])
    expect(chat.decode(ids)).toBe('<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n4<|im_end|>\n')
    const first = mask.indexOf(1)
    expect(chat.decode(ids.slice(0, first))).toBe('<|im_start|>user\n2+2?<|im_end|>\n<|im_start|>assistant\n')
    expect(chat.decode(ids.slice(first))).toBe('4<|im_end|>\n')
    expect(mask.subarray(first)).toEqual(new Uint8Array(ids.length - first).fill(1))
  })

  test("every answer counts, system and the user's turns never", () => {
    const turns: Message[] = [
      { role: 'system', content: 'Be brief.' },
      user('a?'),
      assistant('A'),
      user('b?'),
      assistant('B'),
    ]
    expect(marked(chat, turns)).toBe('A<|im_end|>\nB<|im_end|>\n')
    expect(encodeConversation(chat, turns).unmarkedTurns).toBe(0)
  })

  test('a conversation without an answer has an empty mask', () => {
    expect(encodeConversation(chat, [user('a?')]).assistant.includes(1)).toBe(false)
  })

  test('an empty answer is its end alone', () => {
    expect(marked(chat, [user('a?'), assistant('')])).toBe('<|im_end|>\n')
  })

  test('a template that rewrites earlier answers leaves them unmarked, and says how many', () => {
    const forgetting = make({
      chatTemplate:
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content if loop.last or m.role == 'user' else '...' }}" +
        '<|im_end|>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}',
    })
    const turns = [user('a?'), assistant('thought'), user('b?'), assistant('B')]
    expect(marked(forgetting, turns)).toBe('B<|im_end|>')
    expect(encodeConversation(forgetting, turns).unmarkedTurns).toBe(1)
  })
})

describe('prompts and completions', () => {
  test('the prompt opens the assistant’s turn', () => {
    expect(chat.decode(encodePrompt(chat, [user('x')]))).toBe(
      '<|im_start|>user\nx<|im_end|>\n<|im_start|>assistant\n',
    )
  })

  test('a completion ends its turn, with or without what the template writes after', () => {
    const template = encodeCompletion(chat, [user('x')], 'y')
    expect(chat.decode(template.completion)).toBe('y<|im_end|>\n')
    const endOfTurn = encodeCompletion(chat, [user('x')], 'y', { trailing: 'end-of-turn' })
    expect(chat.decode(endOfTurn.completion)).toBe('y<|im_end|>')
    expect(endOfTurn.prompt).toEqual(template.prompt)
    expect(isPromptKept(chat, [user('x')], template)).toBe(true)
  })

  test('an answer that merges with the prompt begins where the tokens first differ', () => {
    const prompt = [user('x')]
    const encoded = encodeCompletion(chat, prompt, '\ny')
    expect(encoded.prompt.length).toBe(encodePrompt(chat, prompt).length - 1)
    expect(chat.decode(encoded.completion)).toBe('\n\ny<|im_end|>\n')
    expect(isPromptKept(chat, prompt, encoded)).toBe(false)
    expect(marked(chat, [...prompt, assistant('\ny')])).toBe('\n\ny<|im_end|>\n')
  })

  test('of a pair, the shorter common part is the prompt of both', () => {
    const pair = encodePair(chat, [user('x')], '\ny', 'z')
    expect(pair.prompt.length).toBe(encodePrompt(chat, [user('x')]).length - 1)
    expect(chat.decode(pair.chosen)).toBe('\n\ny<|im_end|>\n')
    expect(chat.decode(pair.rejected)).toBe('\nz<|im_end|>\n')
  })

  test('preference sides go through the template and end, on a model with template as on a plain one', () => {
    for (const [tokenizer, end] of [
      [chat, '<|im_end|>'],
      [plain, '<|endoftext|>'],
    ] as const) {
      const pair = encodePair(tokenizer, [user('x')], 'good', 'bad', { trailing: 'end-of-turn' })
      expect(tokenizer.decode(pair.chosen)).toBe(`good${end}`)
      expect(tokenizer.decode(pair.rejected)).toBe(`bad${end}`)
    }
    expect(chat.decode(encodePrompt(chat, [user('x')]))).toContain('<|im_start|>user\nx')
  })
})

describe('a plain model', () => {
  test('reads the prompt as it is; the answer follows at once and ends with the end token', () => {
    const encoded = encodeCompletion(plain, [user('Question: x\nReply:')], ' y')
    expect(plain.decode(encoded.prompt)).toBe('Question: x\nReply:')
    expect(plain.decode(encoded.completion)).toBe(' y<|endoftext|>')
  })

  test('begins with what its tokenizer puts before a text', () => {
    const llama = make({ eosToken: '<|im_end|>', bosToken: '<|endoftext|>' })
    expect(llama.decode(encodePrompt(llama, [user('x')]))).toBe('<|endoftext|>x')
  })

  test('several turns: answers marked, the rest not', () => {
    const turns: Message[] = [
      { role: 'system', content: 's' },
      user('a'),
      assistant('A'),
      user('b'),
      assistant('B'),
    ]
    expect(plain.decode(encodeConversation(plain, turns).ids)).toBe('s\naA<|endoftext|>bB<|endoftext|>')
    expect(marked(plain, turns)).toBe('A<|endoftext|>B<|endoftext|>')
  })

  test('without an end token an answer cannot be encoded', () => {
    const endless = make({ files: { 'tokenizer_config.json': {} } })
    expect(() => encodeCompletion(endless, [user('x')], 'y')).toThrow(
      /neither a chat template nor an end token/,
    )
  })
})

describe('truncation', () => {
  test('cuts prompt and answer as one sequence: only its end goes', () => {
    const encoded = encodeCompletion(chat, [user('long question')], 'long answer')
    const whole = [...encoded.prompt, ...encoded.completion]
    for (let maxLength = 0; maxLength <= whole.length + 1; maxLength++) {
      const cut = truncateCompletion(encoded, maxLength)
      if (maxLength <= encoded.prompt.length) expect(cut).toBeUndefined()
      else expect([...cut!.prompt, ...cut!.completion]).toEqual(whole.slice(0, maxLength))
    }
  })

  test('a conversation whose answer is all cut away is dropped', () => {
    const encoded = encodeConversation(chat, [user('long question'), assistant('answer')])
    const start = encoded.assistant.indexOf(1)
    expect(truncateConversation(encoded, start)).toBeUndefined()
    const cut = truncateConversation(encoded, start + 1)!
    expect(cut.ids).toEqual(encoded.ids.slice(0, start + 1))
    expect([...cut.assistant]).toEqual([...new Uint8Array(start), 1])
    expect(truncateConversation(encoded, 10_000)).toEqual(encoded)
  })
})
