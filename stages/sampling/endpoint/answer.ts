/** @file A chat completion as an answer. Whatever a server sends is checked: many speak the protocol in part. */
import type { WeighedToken } from '../writer.ts'
import { MalformedAnswer } from './fault.ts'

export interface ServedAnswer {
  readonly text: string
  readonly finished: boolean
  /** Prompt and answer, as the server counts them; for pacing. */
  readonly tokens: number
  readonly weighed?: readonly WeighedToken[]
}

type Fields = Readonly<Record<string, unknown>>

/** @throws MalformedAnswer */
export function readAnswer(completion: unknown): ServedAnswer {
  const [choice] = listOf(fieldsOf(completion)?.choices) ?? []
  const message = fieldsOf(choice?.message)
  if (choice === undefined || message === undefined) throw new MalformedAnswer('it has no choices')
  const { content, refusal } = message
  const text = content ?? refusal ?? ''
  if (typeof text !== 'string') throw new MalformedAnswer('its content is no text')
  const { total_tokens: tokens } = fieldsOf(fieldsOf(completion)?.usage) ?? {}
  const weighed = weighedTokens(choice)
  return {
    text,
    finished: choice.finish_reason === 'stop',
    tokens: typeof tokens === 'number' ? tokens : 0,
    ...(weighed !== undefined && { weighed }),
  }
}

/** Tokens as parts of the text: characters that are spelled by several tokens belong to the last of them. */
function weighedTokens(choice: Fields): WeighedToken[] | undefined {
  const content = listOf(fieldsOf(choice.logprobs)?.content)
  if (content === undefined || content.length === 0) return undefined
  const decoder = new TextDecoder()
  return content.map((token) => ({
    text: Array.isArray(token.bytes)
      ? decoder.decode(Uint8Array.from(token.bytes as number[]), { stream: true })
      : String(token.token ?? ''),
    alternatives: (listOf(token.top_logprobs) ?? []).map((each) => ({
      text: String(each.token ?? ''),
      logp: Number(each.logprob),
    })),
  }))
}

function fieldsOf(value: unknown): Fields | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : undefined
}

function listOf(value: unknown): Fields[] | undefined {
  return Array.isArray(value) ? value.map((each) => fieldsOf(each) ?? {}) : undefined
}
