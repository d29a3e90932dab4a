/**
 * @file One question to a served model at a time, through OpenAI's own client: paced, tried again with growing waits
 * where that may help, and ended at once where it cannot.
 */
import { setTimeout as wait } from 'node:timers/promises'
import { StageFailure } from 'flow/stage'
import OpenAI, { BadRequestError } from 'openai'
import { readAnswer, type ServedAnswer } from './answer.ts'
import { faultOf } from './fault.ts'
import { Pace } from './pace.ts'
import type { EndpointParams } from './params.ts'

export type ChatRequest = OpenAI.Chat.ChatCompletionCreateParamsNonStreaming

/** A rough measure that serves for pacing: most tokenizers make a token of about four characters. */
const charactersPerToken = 4
const firstWaitMs = 500
const longestWaitMs = 60_000

export class EndpointClient {
  readonly #endpoint: EndpointParams
  readonly #client: OpenAI
  readonly #pace: Pace
  readonly #log: (message: string) => void
  /** Newer models of OpenAI know `max_tokens` by this name only. */
  #limitIsCompletionTokens = false

  /** @throws StageFailure `secret-not-set`, `credentials-in-url` */
  constructor(endpoint: EndpointParams, log: (message: string) => void) {
    this.#endpoint = endpoint
    this.#log = log
    this.#client = new OpenAI({
      baseURL: checkedUrl(endpoint.base_url),
      // The client insists on a key; a server without keys does not look at it.
      apiKey: keyFrom(endpoint.api_key_env) ?? 'none',
      organization: null,
      project: null,
      maxRetries: 0,
      logLevel: 'off',
    })
    this.#pace = new Pace({
      concurrency: endpoint.concurrency,
      requestsPerMinute: endpoint.requests_per_minute,
      tokensPerMinute: endpoint.tokens_per_minute,
    })
  }

  /** @throws StageFailure `endpoint-...` where the request is refused, or has failed too often */
  async ask(request: ChatRequest, signal: AbortSignal): Promise<ServedAnswer> {
    const characters = request.messages.reduce((sum, { content }) => sum + String(content ?? '').length, 0)
    const tokens = Math.ceil(characters / charactersPerToken) + (request.max_tokens ?? 0)
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#pace.turn(tokens, signal, () => this.#send(request, signal))
      } catch (error) {
        signal.throwIfAborted()
        const fault = faultOf(error, this.#endpoint)
        if (fault.kind === 'fatal') throw fault.failure
        if (attempt >= this.#endpoint.max_retries) throw this.#exhausted(fault.what, attempt + 1)
        const waitMs = fault.waitMs ?? growingWaitMs(attempt)
        this.#log(`${fault.what}; trying again in ${(waitMs / 1000).toFixed(1)} s`)
        if (fault.everyone) this.#pace.pause(waitMs)
        else await wait(waitMs, undefined, { signal })
      }
    }
  }

  async #send(request: ChatRequest, signal: AbortSignal): Promise<ServedAnswer> {
    const { max_tokens, ...others } = request
    const renamed = this.#limitIsCompletionTokens
    const body = renamed ? { ...others, max_completion_tokens: max_tokens } : request
    const timeoutMs = this.#endpoint.timeout_s * 1000
    try {
      const answer = await this.#client.chat.completions.create(body as ChatRequest, {
        // The client's own limit ends with the headers; this one covers the body, too.
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
        timeout: timeoutMs,
      })
      return readAnswer(answer)
    } catch (error) {
      if (renamed || !(error instanceof BadRequestError) || error.param !== 'max_tokens') throw error
      this.#limitIsCompletionTokens = true
      return await this.#send(request, signal)
    }
  }

  #exhausted(what: string, attempts: number): StageFailure {
    return new StageFailure({
      code: 'endpoint-unavailable',
      message: `${this.#endpoint.base_url} failed ${attempts} times: ${what}`,
      hint: 'run again later: the answers so far are kept, and only the missing ones are asked for',
      retryable: true,
    })
  }
}

/** Doubling, up to a minute, and spread so that requests which failed together do not come back together. */
function growingWaitMs(attempt: number): number {
  return Math.min(longestWaitMs, firstWaitMs * 2 ** attempt) * (0.75 + Math.random() / 2)
}

function keyFrom(name: string): string | undefined {
  if (name === '') return undefined
  const key = process.env[name]
  if (key !== undefined && key.trim() !== '') return key.trim()
  throw new StageFailure({
    code: 'secret-not-set',
    message: `the environment variable ${name}, named by \`endpoint.api_key_env\`, is not set`,
    hint: `set it to the key: export ${name}=...`,
  })
}

/** A key in the address would stand in the cache key and in every echo of the parameters. */
function checkedUrl(url: string): string {
  if (!URL.canParse(url)) {
    throw new StageFailure({ code: 'invalid-url', message: `\`endpoint.base_url\` is no address: ${url}` })
  }
  const { username, password } = new URL(url)
  if (username === '' && password === '') return url
  throw new StageFailure({
    code: 'credentials-in-url',
    message: '`endpoint.base_url` holds a user name or a password',
    hint: 'put the key into an environment variable and name it: `endpoint.api_key_env`',
  })
}
