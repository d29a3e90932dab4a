/** @file A real HTTP server that speaks the chat completions protocol, as well or as badly as a test wants it to. */
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

export interface ChatBody {
  readonly model: string
  readonly messages: readonly { readonly role: string; readonly content: string }[]
  readonly temperature?: number
  readonly max_tokens?: number
  readonly max_completion_tokens?: number
  readonly seed?: number
  readonly logprobs?: boolean
  readonly top_logprobs?: number
}

export interface Asked {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: ChatBody
  readonly atMs: number
}

/** Answers one request; `text` is what an ordinary answer would be made of. */
export type Behaviour = (response: ServerResponse, asked: Asked, count: number) => void | Promise<void>

export class ChatServer {
  readonly asked: Asked[] = []
  readonly #server: Server

  private constructor(server: Server) {
    this.#server = server
  }

  static async listen(behaviour: Behaviour): Promise<ChatServer> {
    const server = createServer((request, response) => {
      let text = ''
      request.on('data', (data) => {
        text += data
      })
      request.on('end', () => {
        const { url = '', headers } = request
        const asked = { path: url, headers, body: JSON.parse(text) as ChatBody, atMs: performance.now() }
        void behaviour(response, asked, chat.asked.push(asked))
      })
    })
    const chat = new ChatServer(server)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return chat
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/v1`
  }
}

export function question({ body }: Asked): string {
  return body.messages.at(-1)!.content
}

export function reply(response: ServerResponse, text: string, more: object = {}): void {
  const message = { role: 'assistant', content: text }
  const choices = [{ index: 0, message, finish_reason: 'stop', ...more }]
  send(response, 200, { object: 'chat.completion', choices, usage: { total_tokens: 20 } })
}

export function refuse(
  response: ServerResponse,
  status: number,
  error: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  send(response, status, { error }, headers)
}

function send(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.end(JSON.stringify(body))
}
