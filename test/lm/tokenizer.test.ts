import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { LmFailure } from '../../lm/failure.ts'
import { ChatTemplate } from '../../lm/text/chat-template.ts'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { CHATML, writeTinyTokenizer } from './tiny-tokenizer.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flow-tokenizer-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

describe('a tokenizer', () => {
  test('recognises special tokens in the text and adds none', () => {
    const tokenizer = loadTokenizer(writeTinyTokenizer(folder, { bosToken: '<|endoftext|>' }))
    const ids = tokenizer.encode('<|im_start|>user\n')
    expect(ids.map((id) => tokenizer.token(id))).toEqual(['<|im_start|>', 'user', 'Ċ'])
    expect(tokenizer.encode('')).toEqual([])
    expect(tokenizer.prefixIds).toEqual([0])
  })

  test.each([
    'plain text, 12 + 3 = 15.',
    ' spaces  and\t tabs \n\n\n lines\r\n',
    'émigré 日本語 👩‍👩‍👧 \u2028 \ufeff',
    '<|im_start|>x<|im_end|><|im_end|>',
  ])('decodes what it encoded: %j', (text) => {
    const tokenizer = loadTokenizer(writeTinyTokenizer(folder))
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text)
  })

  test('decodes edges: nothing, unknown ids, a cut character, special tokens left out', () => {
    const tokenizer = loadTokenizer(writeTinyTokenizer(folder))
    expect(tokenizer.decode([])).toBe('')
    expect(tokenizer.decode([tokenizer.vocabularySize + 7])).toBe('')
    expect(tokenizer.decode(tokenizer.encode('é').slice(0, 1))).toBe('\ufffd')
    const ids = tokenizer.encode('<|im_start|>a b<|im_end|>')
    expect(tokenizer.decode(ids, { skipSpecial: true })).toBe('a b')
    expect(tokenizer.decode([1, 2], { skipSpecial: true })).toBe('')
  })

  test('spaces before punctuation stay, whatever the folder says, as transformers 5 keeps them for byte pairs', () => {
    const text = 'a . b , c'
    const cleaning = loadTokenizer(
      writeTinyTokenizer(folder, {
        files: { 'tokenizer_config.json': { clean_up_tokenization_spaces: true } },
      }),
    )
    expect(cleaning.decode(cleaning.encode(text))).toBe(text)
  })

  test('knows its size and tokens both ways', () => {
    const tokenizer = loadTokenizer(writeTinyTokenizer(folder))
    expect(tokenizer.vocabularySize).toBe(3 + 256 + 4)
    expect(tokenizer.id('user')).toBe(262)
    expect(tokenizer.token(262)).toBe('user')
    expect(tokenizer.id('nowhere')).toBeUndefined()
    expect(tokenizer.token(263)).toBeUndefined()
    expect([...tokenizer.specialIds]).toEqual([0, 1, 2])
  })

  test('padding falls back to the end token', () => {
    expect(loadTokenizer(writeTinyTokenizer(folder))).toMatchObject({ eosId: 2, padId: 2, bosId: undefined })
    const padded = loadTokenizer(writeTinyTokenizer(folder, { padToken: '<|endoftext|>' }))
    expect(padded).toMatchObject({ eosId: 2, padId: 0 })
  })

  test('stops at the configured ids, the end token and what the template ends a turn with', () => {
    const generation = {
      'generation_config.json': { eos_token_id: [1, 0] },
      'config.json': { eos_token_id: 200 },
    }
    const tokenizer = loadTokenizer(
      writeTinyTokenizer(folder, { chatTemplate: CHATML, eosToken: '<|endoftext|>', files: generation }),
    )
    expect(tokenizer.stopIds).toEqual([1, 0, 2])
    expect(tokenizer.endOfTurnId).toBe(2)
    rmSync(join(folder, 'generation_config.json'))
    expect(loadTokenizer(folder).stopIds).toEqual([200, 0, 2])
  })

  test('tokens and templates in their other shapes', () => {
    const config = {
      eos_token: { content: '<|im_end|>', special: true },
      chat_template: [
        { name: 'tool_use', template: 'no' },
        { name: 'default', template: 'yes' },
      ],
    }
    writeTinyTokenizer(folder, { files: { 'tokenizer_config.json': config } })
    expect(loadTokenizer(folder)).toMatchObject({ eosId: 2, chatTemplate: 'yes' })
    writeFileSync(join(folder, 'chat_template.jinja'), 'from the file')
    expect(loadTokenizer(folder).chatTemplate).toBe('from the file')
  })

  test('faults name the file', () => {
    expect(() => loadTokenizer(folder)).toThrow(/tokenizer\.json is missing/)
    writeFileSync(join(folder, 'tokenizer.json'), '{"model": {"type": "Odd"}}')
    expect(() => loadTokenizer(folder)).toThrow(/tokenizer\.json cannot be used/)
    const plain = loadTokenizer(writeTinyTokenizer(folder))
    expect(() => plain.render([])).toThrow(/no chat template/)
  })
})

describe('a chat template', () => {
  test('trims blocks and one closing newline as transformers does', () => {
    const template =
      '{% for m in messages %}\n    {% if true %}\n{{ m.role }}:{{ m.content }}\n    {% endif %}\n{% endfor %}\nend\n'
    expect(new ChatTemplate(template).render([{ role: 'user', content: 'x' }])).toBe('user:x\nend')
  })

  test('sees the tokens and the generation prompt', () => {
    const template =
      '{{ bos_token }}|{{ eos_token }}|{% if add_generation_prompt %}opens{% endif %}|{% if tools is none %}none{% endif %}'
    expect(new ChatTemplate(template).render([], { bosToken: '<s>', addGenerationPrompt: true })).toBe(
      '<s>||opens|none',
    )
  })

  test('may raise: the message and the turns are shown', () => {
    const template = new ChatTemplate("{{ raise_exception('roles must alternate') }}")
    expect.assertions(3)
    try {
      template.render([{ role: 'assistant', content: '' }])
    } catch (error) {
      const failure = error as LmFailure
      expect(failure.code).toBe('chat-template-refused')
      expect(failure.message).toMatch(/roles must alternate/)
      expect(failure.hint).toMatch(/assistant/)
    }
  })

  test('that is no Jinja is a failure of its own', () => {
    expect(() => new ChatTemplate('{% if %}')).toThrow(LmFailure)
  })

  test('sees the same day every day', () => {
    expect(new ChatTemplate("{{ strftime_now('%d %B %Y') }}").render([])).toBe('26 July 2024')
  })

  test('counts with range', () => {
    expect(
      new ChatTemplate('{% for i in range(3) %}{{ i }}{% endfor %}|{{ range(5, 1, -2) | length }}').render(
        [],
      ),
    ).toBe('012|2')
  })
})
