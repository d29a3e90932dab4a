/**
 * @file A shared cache in a bucket that speaks S3. Who may read and write it is known by the usual variables:
 * `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, and `AWS_ENDPOINT_URL` for a server
 * other than Amazon's. Requests name the bucket in their path, which every such server understands. Reading needs the
 * right to list the bucket: without it, S3 answers "forbidden" in place of "not found".
 */
import { openAsBlob } from 'node:fs'
import type { AwsClient } from 'aws4fetch'
import { StageFailure } from '../../stage/failure.ts'
import type { SharedCache, SharedContent } from './shared-cache.ts'

const NO_CONTENT = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

export async function openBucket(place: string, environment: NodeJS.ProcessEnv): Promise<SharedCache> {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_ENDPOINT_URL } = environment
  const region = environment.AWS_REGION ?? environment.AWS_DEFAULT_REGION ?? 'us-east-1'
  const [, bucket, prefix = ''] = /^s3:\/\/([a-z0-9][a-z0-9.-]+)(?:\/([\w./-]*))?$/.exec(place) ?? []
  if (bucket === undefined) {
    throw new StageFailure({
      code: 'shared-cache',
      message: `${place} names no bucket`,
      hint: 's3://BUCKET or s3://BUCKET/PREFIX',
    })
  }
  if (AWS_ACCESS_KEY_ID === undefined || AWS_SECRET_ACCESS_KEY === undefined) {
    throw new StageFailure({
      code: 'shared-cache',
      message: `for ${place} the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set`,
    })
  }
  const { AwsClient } = await import('aws4fetch')
  const client = new AwsClient({
    accessKeyId: AWS_ACCESS_KEY_ID,
    secretAccessKey: AWS_SECRET_ACCESS_KEY,
    ...(AWS_SESSION_TOKEN === undefined ? {} : { sessionToken: AWS_SESSION_TOKEN }),
    service: 's3',
    region,
  })
  const server = (AWS_ENDPOINT_URL ?? `https://s3.${region}.amazonaws.com`).replace(/\/+$/, '')
  const folder = [bucket, ...prefix.split('/').filter((part) => part !== '')].join('/')
  return new Bucket(place, `${server}/${folder}`, client)
}

class Bucket implements SharedCache {
  readonly name: string
  readonly #url: string
  readonly #client: AwsClient

  constructor(name: string, url: string, client: AwsClient) {
    this.name = name
    this.#url = url
    this.#client = client
  }

  async read(name: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const response = await this.#request('GET', name, NO_CONTENT)
    return response === undefined ? undefined : (response.body ?? nothing())
  }

  async has(name: string): Promise<boolean> {
    return (await this.#request('HEAD', name, NO_CONTENT)) !== undefined
  }

  async write(name: string, { file, sha256 }: SharedContent): Promise<void> {
    // Its length is known, and it is read as it is sent. The server refuses bytes of another digest.
    const response = await this.#request('PUT', name, sha256, await openAsBlob(file))
    if (response === undefined) throw new Error('there is no such bucket')
    await response.body?.cancel()
  }

  /** `undefined` for what is not there. */
  async #request(
    method: 'GET' | 'HEAD' | 'PUT',
    name: string,
    contentSha256: string,
    body?: Blob,
  ): Promise<Response | undefined> {
    const signed = await this.#client.sign(`${this.#url}/${name}`, {
      method,
      headers: { 'x-amz-content-sha256': contentSha256 },
    })
    // A redirection could lead the signature, or the content, to somebody else.
    const response = await fetch(signed.url, {
      method,
      headers: signed.headers,
      redirect: 'error',
      ...(body === undefined ? {} : { body }),
    })
    if (response.ok) return response
    await response.body?.cancel()
    if (response.status === 404) return undefined
    throw new Error(`${method} was answered with ${response.status} ${response.statusText}`.trimEnd())
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
