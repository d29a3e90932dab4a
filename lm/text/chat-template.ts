/** @file Chat templates: Jinja as transformers runs it (`trim_blocks`, `lstrip_blocks`, `raise_exception`). */
import { Environment, Interpreter } from '@huggingface/jinja'
import { LmFailure } from '../failure.ts'
import type { Message } from './messages.ts'
import { hasGeneration, type ParsedTemplate, parseTemplate, TEMPLATE_FUNCTIONS } from './template-syntax.ts'

/**
 * The day that templates see. A template that writes today's date would give other tokens tomorrow, and with them
 * other results; this is the day that Llama's own templates fall back to.
 */
const TEMPLATE_DATE: Readonly<Record<string, string>> = {
  '%d': '26',
  '%m': '07',
  '%b': 'Jul',
  '%B': 'July',
  '%Y': '2024',
  '%y': '24',
  '%a': 'Fri',
  '%A': 'Friday',
  '%H': '00',
  '%M': '00',
  '%S': '00',
}

export interface TemplateVariables {
  /** Ends the text with the opening of an assistant's turn. @default false */
  readonly addGenerationPrompt?: boolean
  readonly bosToken?: string | undefined
  readonly eosToken?: string | undefined
  readonly padToken?: string | undefined
  readonly unkToken?: string | undefined
  /** What else the template may ask for: `{ enable_thinking: false }`. */
  readonly more?: Readonly<Record<string, unknown>> | undefined
}

export interface MarkedText {
  readonly text: string
  /** UTF-16 ranges that the template wrote between `{% generation %}` and `{% endgeneration %}`. */
  readonly generated: readonly (readonly [start: number, end: number])[]
}

export class ChatTemplate {
  readonly source: string
  /** Whether the template says itself what the assistant's part is. */
  readonly marksGeneration: boolean
  readonly #program: ParsedTemplate

  /**
   * Throws `LmFailure` `invalid-chat-template` where `source` is not Jinja that we understand.
   * @param folder where the template comes from, for messages
   */
  constructor(source: string, folder?: string) {
    this.source = source
    this.marksGeneration = hasGeneration(source)
    try {
      this.#program = parseTemplate(source)
    } catch (error) {
      throw new LmFailure({
        code: 'invalid-chat-template',
        message: `the chat template cannot be read: ${(error as Error).message}`,
        hint: 'it stands in chat_template.jinja, or as `chat_template` in tokenizer_config.json',
        ...(folder !== undefined && { file: folder }),
      })
    }
  }

  /**
   * The text of a conversation. Throws `LmFailure` `chat-template-refused` where the template raises, for example
   * because roles do not alternate.
   */
  render(messages: readonly Message[], variables: TemplateVariables = {}): string {
    return this.#run(messages, variables, ['', ''])
  }

  /** The same text, and what of it the template marks as the assistant's. */
  renderMarked(messages: readonly Message[], variables: TemplateVariables = {}): MarkedText {
    const marks = unusedMarks(messages)
    const parts = this.#run(messages, variables, marks).split(new RegExp(`([${marks.join('')}])`))
    let text = ''
    const generated: [start: number, end: number][] = []
    for (const part of parts) {
      if (part === marks[0]) generated.push([text.length, text.length])
      else if (part === marks[1]) generated.at(-1)![1] = text.length
      else text += part
    }
    return { text, generated }
  }

  #run(
    messages: readonly Message[],
    variables: TemplateVariables,
    [generationStart, generationEnd]: readonly [string, string],
  ): string {
    const environment = new Environment()
    const globals: Record<string, unknown> = {
      true: true,
      false: false,
      none: null,
      True: true,
      False: false,
      None: null,
      range,
      raise_exception: (message: string) => {
        throw new Error(message)
      },
      strftime_now: (format: string) => format.replace(/%./g, (code) => TEMPLATE_DATE[code] ?? code),
      ...TEMPLATE_FUNCTIONS,
      generation_start: generationStart,
      generation_end: generationEnd,
      messages: messages.map(({ role, content }) => ({ role, content })),
      add_generation_prompt: variables.addGenerationPrompt ?? false,
      tools: null,
      documents: null,
      bos_token: variables.bosToken,
      eos_token: variables.eosToken,
      pad_token: variables.padToken,
      unk_token: variables.unkToken,
      ...variables.more,
    }
    for (const [name, value] of Object.entries(globals)) {
      // A token that the tokenizer does not have is undefined, as in transformers.
      if (value !== undefined) environment.set(name, value)
    }
    try {
      return (new Interpreter(environment).run(this.#program) as { value: string }).value
    } catch (error) {
      throw new LmFailure({
        code: 'chat-template-refused',
        message: `the chat template refuses the conversation: ${(error as Error).message}`,
        hint: `its turns are ${messages.map(({ role }) => role).join(', ') || 'none'}`,
      })
    }
  }
}

/** Two of Unicode's noncharacters that the conversation does not hold. */
function unusedMarks(messages: readonly Message[]): [string, string] {
  const free: string[] = []
  for (let code = 0xfdd0; code <= 0xfdef && free.length < 2; code++) {
    const mark = String.fromCharCode(code)
    if (!messages.some(({ content }) => content.includes(mark))) free.push(mark)
  }
  return [free[0]!, free[1]!]
}

function range(first: number, second?: number, step = 1): number[] {
  const [start, stop] = second === undefined ? [0, first] : [first, second]
  const values: number[] = []
  for (let value = start; step > 0 ? value < stop : value > stop; value += step) values.push(value)
  return values
}
