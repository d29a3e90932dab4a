/** @file What a stage says, line by line with its time, in the log of its attempt. */
import { appendFileSync } from 'node:fs'
import { isSystemError } from '../stage/machine-failure.ts'

export class NodeLog {
  readonly #file: string
  readonly #onLost: (why: string) => void
  #lost = false

  /** @param onLost called once where a line cannot be written: a log is not worth failing a node for */
  constructor(file: string, onLost: (why: string) => void) {
    this.#file = file
    this.#onLost = onLost
  }

  append(message: string): void {
    if (this.#lost) return
    try {
      appendFileSync(this.#file, `${new Date().toISOString()} ${message}\n`)
    } catch (error) {
      if (!isSystemError(error)) throw error
      this.#lost = true
      this.#onLost(error.message)
    }
  }
}
