/** @file A served model that answers prompts. Each answer is kept as it arrives; after a crash only the others are asked for. */
import { setMaxListeners } from 'node:events'
import { StageFailure } from 'flow/stage'
import { promptMessages } from '../../../lm/text/messages.ts'
import type { SamplingParams, WriteOptions, Writer, Written } from '../writer.ts'
import type { ServedAnswer } from './answer.ts'
import { AnswerLog, requestKey } from './answer-log.ts'
import { type ChatRequest, EndpointClient } from './client.ts'
import type { EndpointParams } from './params.ts'

export interface EndpointContext {
  readonly checkpoint: string
  readonly signal: AbortSignal
  log(message: string): void
}

/** @throws StageFailure where the settings cannot work, before anything is asked */
export function endpointWriter(endpoint: EndpointParams, context: EndpointContext): Writer {
  const client = new EndpointClient(endpoint, context.log)
  const kept = new AnswerLog<ServedAnswer>(context.checkpoint)
  return {
    async write(prompts, params, hooks, options = {}) {
      checkRequest(params, options)
      const draws = new Map<string, number>()
      const requests = prompts.map((prompt) => {
        const messages = promptMessages(prompt)
        const name = JSON.stringify(messages)
        // Greedy answers to a prompt are all alike; others are draws of their own.
        const draw = params.temperature === 0 ? 0 : (draws.get(name) ?? 0)
        draws.set(name, draw + 1)
        const body = bodyOf(endpoint, messages as ChatRequest['messages'], params, draw, options)
        return { body, key: requestKey(body, draw) }
      })
      /** Requests that want the same answer. */
      const wanted = new Map<string, number>()
      for (const { key } of requests) wanted.set(key, (wanted.get(key) ?? 0) + 1)
      const open = new Map(
        requests.flatMap(({ key, body }) => (kept.get(key) === undefined ? [[key, body] as const] : [])),
      )
      let done = requests.filter(({ key }) => !open.has(key)).length
      const before = done > 0 ? `, ${done} of ${requests.length} answers were kept` : ''
      context.log(`${endpoint.model} at ${endpoint.base_url}: ${open.size} requests${before}`)
      const startMs = performance.now()
      let tokens = 0
      // One request that cannot succeed ends the others.
      const stop = new AbortController()
      const signal = AbortSignal.any([hooks.signal ?? context.signal, stop.signal])
      // Each request under way listens to it.
      setMaxListeners(0, signal)
      const asked = [...open].map(async ([key, body]) => {
        const answer = await client.ask(body, signal)
        kept.keep(key, answer)
        done += wanted.get(key)!
        tokens += answer.tokens
        const tokensPerSecond = tokens / ((performance.now() - startMs) / 1000)
        hooks.progress?.({ prompts: done, tokens, tokensPerSecond })
      })
      try {
        await Promise.all(asked)
      } finally {
        stop.abort()
        await Promise.allSettled(asked)
      }
      return requests.map(({ key }) => writtenOf(kept.get(key)!))
    },
  }
}

function writtenOf({ text, finished, weighed }: ServedAnswer): Written {
  return { text, finished, ...(weighed !== undefined && { tokens: weighed }) }
}

function bodyOf(
  endpoint: EndpointParams,
  messages: ChatRequest['messages'],
  params: SamplingParams,
  draw: number,
  { alternatives }: WriteOptions,
): ChatRequest {
  return {
    model: endpoint.model,
    messages,
    temperature: params.temperature,
    top_p: params.top_p,
    max_tokens: params.max_new_tokens,
    ...(endpoint.send_seed && { seed: params.seed + draw }),
    ...(alternatives !== undefined && { logprobs: true, top_logprobs: alternatives }),
  }
}

function checkRequest(params: SamplingParams, { opening = '' }: WriteOptions): void {
  if (params.top_k > 0) {
    throw new StageFailure({
      code: 'top-k-at-endpoint',
      message: 'the chat completions protocol has no `top_k`',
      hint: 'leave it out, or use `top_p`',
    })
  }
  if (opening !== '') {
    throw new StageFailure({
      code: 'opening-at-endpoint',
      message: 'a served model cannot be made to begin its answer with an opening',
      hint: 'ask for it in the rubric ("Write one line only, in this form: Score: <number>") and leave `opening` out',
    })
  }
}
