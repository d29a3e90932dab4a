/**
 * @file Where the lines of a conversation come from: a person at a terminal, or a pipe. At a terminal Ctrl-C stops the
 * answer that is being written, or clears the line; what is typed meanwhile waits for the next prompt.
 */
import { createInterface, type Interface } from 'node:readline'
import { Writable } from 'node:stream'

export interface Prompter {
  /** The next line; undefined at the end of the input. */
  ask(): Promise<string | undefined>
  /** Runs `work`, whose signal is aborted when the person asks for silence, or leaves. */
  interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T>
  close(): void
}

/** @param signal ends the input */
export function openPrompter(signal: AbortSignal): Prompter {
  const { stdin, stdout } = process
  return stdin.isTTY && stdout.isTTY ? new TerminalPrompter(stdin, stdout, signal) : pipePrompter(signal)
}

function pipePrompter(signal: AbortSignal): Prompter {
  const lines = createInterface({ input: process.stdin })
  const close = () => lines.close()
  signal.addEventListener('abort', close)
  const iterator = lines[Symbol.asyncIterator]()
  return {
    ask: async () => {
      const { done, value } = await iterator.next()
      return done === true ? undefined : value
    },
    interruptible: (work) => work(signal),
    close,
  }
}

/** Readline writes here: to the terminal while it asks, nowhere while an answer is being written. */
class PromptOutput extends Writable {
  readonly #terminal: NodeJS.WriteStream
  muted = true

  constructor(terminal: NodeJS.WriteStream) {
    super({ decodeStrings: false })
    this.#terminal = terminal
    terminal.on('resize', this.#resized)
  }

  readonly #resized = () => this.emit('resize')

  /** Readline wraps long lines by it. */
  get columns(): number {
    return this.#terminal.columns
  }

  override _write(chunk: string | Buffer, _encoding: BufferEncoding, written: () => void): void {
    if (!this.muted) this.#terminal.write(chunk)
    written()
  }

  override _final(ended: () => void): void {
    this.#terminal.off('resize', this.#resized)
    ended()
  }
}

const prompt = '> '

class TerminalPrompter implements Prompter {
  readonly #terminal: NodeJS.WriteStream
  readonly #output: PromptOutput
  readonly #lines: Interface
  /** Lines that nobody has asked for yet: pasted, or typed during an answer. */
  readonly #waiting: string[] = []
  #take: ((line: string | undefined) => void) | undefined
  #answer: AbortController | undefined
  #toldHowToLeave = false
  #ended = false

  constructor(input: NodeJS.ReadStream, terminal: NodeJS.WriteStream, signal: AbortSignal) {
    this.#terminal = terminal
    this.#output = new PromptOutput(terminal)
    this.#lines = createInterface({ input, output: this.#output, prompt, terminal: true })
    this.#lines.on('line', (line) => this.#onLine(line))
    this.#lines.on('SIGINT', () => this.#onCtrlC())
    this.#lines.on('close', () => this.#onEnd())
    signal.addEventListener('abort', () => this.close())
  }

  ask(): Promise<string | undefined> {
    const line = this.#waiting.shift()
    if (line !== undefined) {
      this.#terminal.write(`${prompt}${line}\n`)
      return Promise.resolve(line)
    }
    if (this.#ended) return Promise.resolve(undefined)
    this.#output.muted = false
    this.#lines.prompt(true)
    return new Promise((resolve) => {
      this.#take = resolve
    })
  }

  async interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const answer = new AbortController()
    this.#answer = answer
    if (this.#ended) answer.abort()
    try {
      return await work(answer.signal)
    } finally {
      this.#answer = undefined
    }
  }

  close(): void {
    this.#lines.close()
  }

  #onLine(line: string): void {
    this.#toldHowToLeave = false
    const take = this.#take
    if (take === undefined) {
      this.#waiting.push(line)
      return
    }
    this.#take = undefined
    this.#output.muted = true
    take(line)
  }

  #onCtrlC(): void {
    if (this.#answer !== undefined) {
      this.#waiting.length = 0
      this.#answer.abort()
    } else if (this.#lines.line !== '') {
      this.#lines.write(null, { ctrl: true, name: 'e' })
      this.#lines.write(null, { ctrl: true, name: 'u' })
    } else if (this.#toldHowToLeave) {
      this.close()
    } else {
      this.#toldHowToLeave = true
      this.#terminal.write('\n(Ctrl-C again, Ctrl-D or /exit leaves)\n')
      this.#lines.prompt()
    }
  }

  #onEnd(): void {
    this.#ended = true
    this.#output.end()
    this.#answer?.abort()
    this.#take?.(undefined)
    this.#take = undefined
  }
}
