/**
 * @file Answers as they arrive, one a line in a file that outlives the process: what has been answered is not asked
 * again. An answer belongs to the content of its request, not to its place.
 */
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export class AnswerLog<Answer extends object> {
  readonly #file: string
  readonly #answers = new Map<string, Answer>()

  /** @param folder of the stage's checkpoint */
  constructor(folder: string) {
    this.#file = join(folder, 'answers.jsonl')
    if (!existsSync(this.#file)) return
    const text = readFileSync(this.#file, 'utf8')
    for (const line of text.split('\n')) {
      const kept = readLine<Answer>(line)
      if (kept !== undefined) this.#answers.set(kept.request, kept.answer)
    }
    // A line that was cut off by a crash stays alone.
    if (text !== '' && !text.endsWith('\n')) appendFileSync(this.#file, '\n')
  }

  get(request: string): Answer | undefined {
    return this.#answers.get(request)
  }

  keep(request: string, answer: Answer): void {
    this.#answers.set(request, answer)
    appendFileSync(this.#file, `${JSON.stringify({ request, answer, check: checkOf(request, answer) })}\n`)
  }
}

function readLine<Answer>(line: string): { request: string; answer: Answer } | undefined {
  try {
    const { request, answer, check } = JSON.parse(line)
    // A line that was damaged is asked for again.
    return check === checkOf(request, answer) ? { request, answer } : undefined
  } catch {
    return undefined
  }
}

function checkOf(request: string, answer: object): string {
  return createHash('sha256')
    .update(JSON.stringify([request, answer]))
    .digest('hex')
    .slice(0, 16)
}

/** A request's identity: a digest of everything that is sent, and of which of several equal draws it is. */
export function requestKey(body: object, draw: number): string {
  return createHash('sha256')
    .update(JSON.stringify([body, draw]))
    .digest('hex')
}
