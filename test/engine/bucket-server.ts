/**
 * @file The few calls of S3 that a shared cache makes, on this machine. Signatures are checked by the published rules
 * (Signature Version 4), and not by the library that made them; the bytes of a PUT against the digest that was signed.
 */
import { createHash, createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

const REGION = 'eu-test-1'

export class BucketServer {
  readonly objects = new Map<string, Buffer>()
  readonly requests: string[] = []
  /** Answer everything with this status from now on. */
  brokenWith: number | undefined
  readonly environment: Readonly<Record<string, string>>

  private constructor(port: number) {
    this.environment = {
      AWS_ACCESS_KEY_ID: 'AKTEST',
      AWS_SECRET_ACCESS_KEY: 'secret of the test',
      AWS_REGION: REGION,
      AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
    }
  }

  static async listen(): Promise<BucketServer> {
    const server = createServer((request, response) => void bucket.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const bucket = new BucketServer((server.address() as AddressInfo).port)
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
    return bucket
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const body = Buffer.concat(chunks)
    const { method = '', url = '', headers } = request
    this.requests.push(`${method} ${url}`)
    const end = (status: number, content?: Buffer) => {
      response.writeHead(status, content === undefined ? {} : { 'content-length': content.length })
      response.end(method === 'HEAD' ? undefined : content)
    }
    if (this.brokenWith !== undefined) return end(this.brokenWith)
    if (!this.#isSigned(request)) return end(403)
    if (method === 'PUT') {
      if (sha256(body) !== headers['x-amz-content-sha256'] || headers['content-length'] === undefined)
        return end(400)
      this.objects.set(url, body)
      return end(200)
    }
    const found = this.objects.get(url)
    return found === undefined ? end(404) : end(200, found)
  }

  #isSigned({ method, url = '', headers }: IncomingMessage): boolean {
    const form =
      /^AWS4-HMAC-SHA256 Credential=AKTEST\/(\d{8})\/([\w-]+)\/s3\/aws4_request, SignedHeaders=([\w;-]+), Signature=([0-9a-f]{64})$/
    const [, day = '', region = '', names = '', signature] = form.exec(headers.authorization ?? '') ?? []
    const time = String(headers['x-amz-date'])
    if (region !== REGION || !time.startsWith(day)) return false
    if (!['host', 'x-amz-content-sha256', 'x-amz-date'].every((name) => names.split(';').includes(name)))
      return false
    const { pathname } = new URL(url, 'http://test')
    const signedHeaders = names.split(';').map((name) => `${name}:${String(headers[name]).trim()}\n`)
    const content = String(headers['x-amz-content-sha256'])
    const canonical = [method, pathname, '', signedHeaders.join(''), names, content].join('\n')
    const scope = `${day}/${region}/s3/aws4_request`
    const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n')
    const key = [day, region, 's3', 'aws4_request'].reduce<string | Buffer>(
      (secret, part) => hmac(secret, part),
      `AWS4${this.environment.AWS_SECRET_ACCESS_KEY}`,
    )
    return hmac(key, toSign).toString('hex') === signature
  }
}

function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}

function hmac(key: string | Buffer, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest()
}
