/** @file How fast a server is asked: requests at a time, requests and tokens a minute, and pauses that it asks for. */
import { setTimeout as wait } from 'node:timers/promises'
import PQueue from 'p-queue'

export interface PaceSettings {
  readonly concurrency: number
  /** 0: without limit. */
  readonly requestsPerMinute: number
  /** 0: without limit. */
  readonly tokensPerMinute: number
  /**
   * How long a minute is.
   * @default 60000
   */
  readonly minuteMs?: number
}

export class Pace {
  readonly #queue: PQueue
  readonly #tokensPerMinute: number
  readonly #minuteMs: number
  /** Tokens of the last minute. */
  #spent: { readonly atMs: number; tokens: number }[] = []
  #resumeAtMs = 0

  constructor({ concurrency, requestsPerMinute, tokensPerMinute, minuteMs = 60_000 }: PaceSettings) {
    this.#minuteMs = minuteMs
    this.#tokensPerMinute = tokensPerMinute
    this.#queue = new PQueue({
      concurrency,
      // One after the other, evenly: servers count over less than a minute, too.
      ...(requestsPerMinute > 0 && { interval: minuteMs / requestsPerMinute, intervalCap: 1, strict: true }),
    })
  }

  /**
   * Runs the request when its turn comes.
   * @param tokens that it will take, estimated; `request` returns how many it took
   */
  async turn<Result extends { readonly tokens: number }>(
    tokens: number,
    signal: AbortSignal,
    request: () => Promise<Result>,
  ): Promise<Result> {
    return await this.#queue.add(
      async () => {
        await this.#pauseOver(signal)
        const entry = await this.#take(tokens, signal)
        const result = await request()
        entry.tokens = result.tokens
        return result
      },
      { signal },
    )
  }

  /** Nobody asks for so long: the server is over its limit. */
  pause(durationMs: number): void {
    this.#resumeAtMs = Math.max(this.#resumeAtMs, Date.now() + durationMs)
  }

  async #pauseOver(signal: AbortSignal): Promise<void> {
    for (let leftMs = this.#leftMs(); leftMs > 0; leftMs = this.#leftMs())
      await wait(leftMs, undefined, { signal })
  }

  #leftMs(): number {
    return this.#resumeAtMs - Date.now()
  }

  /** Waits until the minute's tokens leave room. A request that is larger than a whole minute's waits for an empty one. */
  async #take(tokens: number, signal: AbortSignal): Promise<{ tokens: number }> {
    for (;;) {
      const now = Date.now()
      this.#spent = this.#spent.filter(({ atMs }) => atMs > now - this.#minuteMs)
      const spent = this.#spent.reduce((sum, entry) => sum + entry.tokens, 0)
      const [oldest] = this.#spent
      if (this.#tokensPerMinute === 0 || oldest === undefined || spent + tokens <= this.#tokensPerMinute) {
        const entry = { atMs: now, tokens }
        this.#spent.push(entry)
        return entry
      }
      await wait(Math.max(1, oldest.atMs + this.#minuteMs - now), undefined, { signal })
    }
  }
}
