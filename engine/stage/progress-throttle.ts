/** @file Lets progress through at most about ten times a second, and never loses the latest. */
import type { Progress } from './define.ts'

const intervalMs = 100

export class ProgressThrottle {
  readonly #send: (progress: Progress) => void
  #lastSentMs = Number.NEGATIVE_INFINITY
  #held: Progress | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(send: (progress: Progress) => void) {
    this.#send = send
  }

  /** A stage that never yields gets its progress out all the same: time is looked at here, not in a timer alone. */
  push(progress: Progress): void {
    this.#held = progress
    const waitMs = this.#lastSentMs + intervalMs - performance.now()
    if (waitMs <= 0) this.flush()
    else this.#timer ??= setTimeout(() => this.flush(), waitMs).unref()
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#held === undefined) return
    const progress = this.#held
    this.#held = undefined
    this.#lastSentMs = performance.now()
    this.#send(progress)
  }
}
