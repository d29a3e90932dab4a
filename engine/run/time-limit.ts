/** @file A signal that is aborted when the run is, or when the time of one attempt is up. */
import { durationText } from '../terminal/quantities.ts'
import type { NodeFailure } from './failure-details.ts'

/** Timers know no more. */
const longestTimerMs = 2 ** 31 - 1

export class TimeLimit {
  readonly #limitMs: number
  readonly #run: AbortSignal
  readonly #controller = new AbortController()
  #timer: NodeJS.Timeout | undefined
  /** Whether it was this that ended the attempt. */
  exceeded = false

  /** @param limitMs 0: none */
  constructor(limitMs: number, run: AbortSignal) {
    this.#limitMs = limitMs
    this.#run = run
    if (limitMs === 0) return
    if (run.aborted) this.#abort()
    run.addEventListener('abort', this.#abort, { once: true })
    this.#wait(limitMs)
  }

  get signal(): AbortSignal {
    return this.#limitMs === 0 ? this.#run : this.#controller.signal
  }

  get failure(): NodeFailure {
    return {
      code: 'timed-out',
      message: `it was not done within ${durationText(this.#limitMs)}, its \`timeout\``,
      hint: 'raise its `timeout`; an attempt goes on from the checkpoint of the one before, if its stage keeps one',
      retryable: true,
    }
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#run.removeEventListener('abort', this.#abort)
  }

  readonly #abort = (): void => {
    this.#controller.abort()
  }

  #wait(leftMs: number): void {
    const stepMs = Math.min(leftMs, longestTimerMs)
    this.#timer = setTimeout(() => {
      if (leftMs > stepMs) return this.#wait(leftMs - stepMs)
      this.exceeded = !this.#run.aborted
      this.#abort()
    }, stepMs)
  }
}
