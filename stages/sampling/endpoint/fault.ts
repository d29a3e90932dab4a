/** @file What went wrong with a request: to be tried again, or the end of it. */
import { StageFailure, type StageFailureDetails } from 'flow/stage'
import { APIConnectionError, APIError, APIUserAbortError } from 'openai'
import type { EndpointParams } from './params.ts'

export type RequestFault =
  | {
      readonly kind: 'again'
      readonly what: string
      /** As the server asks. */
      readonly waitMs?: number
      /** All requests are held back: the limit is on them together. */
      readonly everyone: boolean
    }
  | { readonly kind: 'fatal'; readonly failure: StageFailure }

/** An answer that is none: no JSON, or JSON of another shape. */
export class MalformedAnswer extends Error {
  override readonly name = 'MalformedAnswer'
}

/** A longer wait than this is for the user to decide about. */
const longestWaitMs = 10 * 60_000

export function faultOf(error: unknown, endpoint: EndpointParams): RequestFault {
  if (error instanceof MalformedAnswer || error instanceof SyntaxError) {
    return { kind: 'again', what: `an answer that cannot be read (${error.message})`, everyone: false }
  }
  if (error instanceof APIConnectionError) {
    const cause = error.cause instanceof Error ? error.cause : error
    return { kind: 'again', what: `no connection (${connectionFault(cause)})`, everyone: false }
  }
  // The run itself goes on: it was the time limit. While the body is read, the abort comes as it is.
  if (error instanceof APIUserAbortError || (error instanceof Error && error.name === 'AbortError')) {
    return { kind: 'again', what: `no answer in ${endpoint.timeout_s} s`, everyone: false }
  }
  if (!(error instanceof APIError) || error.status === undefined) {
    // A body that breaks off.
    if (error instanceof TypeError) return { kind: 'again', what: connectionFault(error), everyone: false }
    throw error
  }
  const { status, code } = error
  // A proxy may answer with a whole page.
  const message = error.message.slice(0, 300)
  const fatal = (details: StageFailureDetails) =>
    ({ kind: 'fatal', failure: new StageFailure(details) }) as const
  const where = endpoint.base_url
  if (status === 401 || status === 403) {
    const name = endpoint.api_key_env
    return fatal({
      code: 'endpoint-unauthorised',
      message: `${where} refuses the key: ${message}`,
      hint:
        name === ''
          ? 'name the environment variable that holds the key: `endpoint.api_key_env`'
          : `the key is taken from the environment variable ${name}`,
    })
  }
  if (status === 404) {
    return fatal({
      code: 'endpoint-unknown-model',
      message: `${where} has no model \`${endpoint.model}\`, or is no such address: ${message}`,
      hint: '`base_url` ends with the version, as in http://localhost:8000/v1; `model` is a name that the server knows',
    })
  }
  if (status === 429 && code === 'insufficient_quota') {
    return fatal({ code: 'endpoint-quota', message: `${where} has no quota left: ${message}` })
  }
  if (status === 429 || status === 408 || status === 409 || status === 425 || status >= 500) {
    const waitMs = retryAfterMs(error.headers)
    if (waitMs !== undefined && waitMs > longestWaitMs) {
      return fatal({
        code: 'endpoint-busy',
        message: `${where} asks to wait ${Math.round(waitMs / 60_000)} minutes: ${message}`,
        hint: 'run again then; the answers so far are kept',
        retryable: true,
      })
    }
    return { kind: 'again', what: message, ...(waitMs !== undefined && { waitMs }), everyone: status === 429 }
  }
  return fatal({ code: 'endpoint-refused', message: `${where} refuses the request: ${message}` })
}

function connectionFault(error: Error): string {
  const { code } = (error.cause ?? error) as NodeJS.ErrnoException
  return code ?? (error.cause instanceof Error ? error.cause.message : error.message)
}

/** `retry-after-ms`, or `retry-after` in seconds or as a date. */
function retryAfterMs(headers: Headers | undefined): number | undefined {
  const milliseconds = Number.parseFloat(headers?.get('retry-after-ms') ?? '')
  if (milliseconds >= 0) return milliseconds
  const value = headers?.get('retry-after') ?? ''
  const seconds = Number(value)
  if (value.trim() !== '' && seconds >= 0) return seconds * 1000
  const at = Date.parse(value)
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now())
}
