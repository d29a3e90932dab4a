/** @file Chat templates against transformers: 200 conversations through every family's template, and what it marks. */
import { createHash } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { isLmFailure } from '../../lm/failure.ts'
import { ChatTemplate } from '../../lm/text/chat-template.ts'
import { encodeConversation } from '../../lm/text/conversation.ts'
import type { Message } from '../../lm/text/messages.ts'
import { loadTokenizer } from '../../lm/text/tokenizer.ts'
import { readReference, referencePath } from './reference.ts'

interface Variant {
  readonly variables: Readonly<Record<string, unknown>>
  /** Of each conversation's text, `-` where the template refuses it. */
  readonly digests: string
  /** Of the first conversations, in full. */
  readonly texts: (string | null)[]
}

interface Rendered {
  readonly tokens: { readonly bos_token: string; readonly eos_token: string }
  readonly templates: Readonly<Record<string, Readonly<Record<string, Variant>>>>
}

function templatePath(name: string): string {
  return fileURLToPath(new URL(`../reference/templates/${name}.jinja`, import.meta.url))
}

const conversations = readReference<Message[][]>('templates/conversations.json')
const { tokens, templates } = readReference<Rendered>('templates/rendered.json')
const cases = Object.entries(templates).flatMap(([name, variants]) =>
  Object.entries(variants).map(([variant, reference]) => ({ name, variant, reference })),
)

function render(template: ChatTemplate, messages: readonly Message[], variables: Variant['variables']) {
  const { add_generation_prompt, ...more } = variables
  try {
    return template.render(messages, {
      bosToken: tokens.bos_token,
      eosToken: tokens.eos_token,
      addGenerationPrompt: add_generation_prompt === true,
      more,
    })
  } catch (error) {
    if (isLmFailure(error) && error.code === 'chat-template-refused') return null
    throw error
  }
}

describe.each(cases)('$name, $variant', ({ name, reference }) => {
  const template = new ChatTemplate(readFileSync(templatePath(name), 'utf8'))

  test('the first conversations, in full', () => {
    reference.texts.forEach((text, index) => {
      expect(render(template, conversations[index]!, reference.variables)).toBe(text)
    })
  })

  test('every conversation: the same text, or refused by both', () => {
    const digests = reference.digests.split(' ')
    expect(digests).toHaveLength(200)
    const wrong = conversations.flatMap((messages, index) => {
      const text = render(template, messages, reference.variables)
      const digest = text === null ? '-' : createHash('sha256').update(text).digest('hex').slice(0, 10)
      return digest === digests[index] ? [] : [{ messages, text }]
    })
    expect(wrong).toEqual([])
  })
})

describe("the assistant's tokens where the template marks them", () => {
  const folder = mkdtempSync(join(tmpdir(), 'flow-generation-'))
  afterAll(() => rmSync(folder, { recursive: true }))
  const masks = readReference<Record<string, { tokens: number; runs: number[] }[]>>(
    'templates/assistant-masks.json',
  )

  test.each(Object.entries(masks))('%s', (family, reference) => {
    const path = join(folder, family)
    cpSync(referencePath(`tokenizers/${family}`), path, { recursive: true })
    cpSync(templatePath('generation'), join(path, 'chat_template.jinja'))
    const tokenizer = loadTokenizer(path)
    const wrong = reference.flatMap(({ tokens: count, runs }, index) => {
      const { ids, assistant, unmarkedTurns } = encodeConversation(tokenizer, conversations[index]!)
      const edges = [...assistant, 0].flatMap((value, at) => (value === (assistant[at - 1] ?? 0) ? [] : [at]))
      const isSame = ids.length === count && edges.join() === runs.join() && unmarkedTurns === 0
      return isSame
        ? []
        : [{ messages: conversations[index], count: ids.length, edges, reference: { count, runs } }]
    })
    expect(reference).toHaveLength(60)
    expect(wrong).toEqual([])
  })
})
