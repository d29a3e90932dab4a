/** @file A server that answers like the hub: model info, file listing, files behind a redirect, ranges, tokens. */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

export const commit = '0123456789abcdef0123456789abcdef01234567'

export class HubServer {
  /** What was asked for, latest last: `GET /org/name/resolve/...`, with the range where there was one. */
  readonly requests: string[] = []
  /** Closes the connection after this many bytes of a large file, as often as there are numbers. */
  cutAfterBytes: number[] = []
  /** How many answers with a large file have a wrong byte in them. */
  wrongAnswers = 0
  /** What large files are said to be called. */
  falseDigest: string | undefined
  /** Without it, every answer is 401. */
  token: string | undefined
  readonly #name: string
  readonly #files: ReadonlyMap<string, Buffer>
  readonly #server: Server

  private constructor(name: string, files: ReadonlyMap<string, Buffer>) {
    this.#name = name
    this.#files = files
    this.#server = createServer((request, response) => this.#answer(request, response))
  }

  /** Serves the files of a folder, and `more`, as the repository `name`; closed when the test is over. */
  static async serving(
    name: string,
    folder: string,
    more: Readonly<Record<string, string>> = {},
  ): Promise<HubServer> {
    const files = new Map(readdirSync(folder).map((file) => [file, readFileSync(join(folder, file))]))
    for (const [file, text] of Object.entries(more)) files.set(file, Buffer.from(text))
    const hub = new HubServer(name, files)
    await new Promise<void>((resolve) => hub.#server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => hub.close())
    return hub
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo | null)?.port ?? 9}`
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { pathname } = new URL(request.url!, 'http://hub')
    const range = request.headers.range
    this.requests.push(`${request.method} ${pathname}${range === undefined ? '' : ` ${range}`}`)
    const isOpen = this.token === undefined || request.headers.authorization === `Bearer ${this.token}`
    const api = `/api/models/${this.#name}`
    const path = new RegExp(`^/${this.#name}/resolve/${commit}/(.*)$`).exec(pathname)?.[1]
    const content = path === undefined ? undefined : this.#files.get(path)
    const stored = [...this.#files.values()].find((file) => pathname === `/storage/${sha256(file)}`)
    if (!isOpen) json(response, 401, { error: 'Invalid username or password.' })
    else if (pathname === `${api}/revision/main` || pathname === `${api}/revision/${commit}`) {
      json(response, 200, { _id: '1', id: this.#name, sha: commit, lastModified: '2024-01-01T00:00:00Z' })
    } else if (pathname === `${api}/tree/${commit}`) json(response, 200, this.#listing())
    else if (content !== undefined && isLarge(path!)) {
      const digest = sha256(content)
      response.writeHead(302, { location: `/storage/${digest}`, 'x-linked-etag': `"${digest}"` }).end()
    } else if (content !== undefined) this.#send(response, range, content, gitHash(content))
    else if (stored !== undefined) this.#sendLarge(response, range, stored)
    else json(response, 404, { error: 'Repository not found' })
  }

  #listing(): object[] {
    return [...this.#files].map(([path, content]) => ({
      type: 'file',
      path,
      size: content.length,
      oid: gitHash(content),
      ...(isLarge(path) && {
        lfs: { oid: this.falseDigest ?? sha256(content), size: content.length, pointerSize: 134 },
      }),
    }))
  }

  #sendLarge(response: ServerResponse, range: string | undefined, content: Buffer): void {
    const isProbe = range === 'bytes=0-0'
    const sent = Buffer.from(content)
    if (!isProbe && this.wrongAnswers > 0) {
      this.wrongAnswers--
      sent[sent.length - 1]! ^= 1
    }
    const limit = isProbe ? undefined : this.cutAfterBytes.shift()
    this.#send(response, range, sent, sha256(content), limit)
  }

  #send(
    response: ServerResponse,
    range: string | undefined,
    content: Buffer,
    etag: string,
    limit?: number,
  ): void {
    const [first, last] = range?.replace('bytes=', '').split('-').map(Number) ?? [0, content.length - 1]
    const part = content.subarray(first, last! + 1)
    response.writeHead(range === undefined ? 200 : 206, {
      etag: `"${etag}"`,
      'content-length': part.length,
      ...(range !== undefined && { 'content-range': `bytes ${first}-${last}/${content.length}` }),
    })
    if (limit === undefined) response.end(part)
    else response.write(part.subarray(0, limit), () => response.destroy())
  }
}

function json(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

function isLarge(path: string): boolean {
  return path.endsWith('.safetensors') || path.endsWith('.bin')
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex')
}

function gitHash(content: Buffer): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex')
}
