/** @file The events of a run as its journal keeps them, read while they are being written too. */
import { closeSync, type FSWatcher, openSync, readSync, watch } from 'node:fs'
import type { FlowEvent } from '../events/event.ts'

export type RecordedEvent = FlowEvent & {
  /** ISO 8601 */
  readonly time: string
}

const newline = 0x0a
const chunkBytes = 64 * 1024
/** Nothing tells that the process of a run was killed; and some file systems tell of no change. */
const lookEveryMs = 1000

/** Reads what is there, and after that what has been added since. */
export class EventReader {
  readonly #file: number
  /** A line whose end is not written yet. */
  #rest = Buffer.alloc(0)

  /** Throws as `open` does where there is no such file. */
  constructor(path: string) {
    this.#file = openSync(path, 'r')
  }

  *read(): Generator<RecordedEvent> {
    const chunk = Buffer.alloc(chunkBytes)
    for (;;) {
      const count = readSync(this.#file, chunk, 0, chunkBytes, null)
      if (count === 0) return
      this.#rest = Buffer.concat([this.#rest, chunk.subarray(0, count)])
      for (let end = this.#rest.indexOf(newline); end >= 0; end = this.#rest.indexOf(newline)) {
        const line = this.#rest.subarray(0, end).toString('utf8')
        this.#rest = this.#rest.subarray(end + 1)
        yield JSON.parse(line) as RecordedEvent
      }
    }
  }

  close(): void {
    closeSync(this.#file)
  }
}

/** All events of a run, as they come, until the run ends or its process is gone. */
export async function* followEvents(path: string, isUnderWay: () => boolean): AsyncGenerator<RecordedEvent> {
  const reader = new EventReader(path)
  let wake = () => {}
  // Before the first reading, so that nothing falls between the two.
  const watcher = watchFile(path, () => wake())
  const clock = setInterval(() => wake(), lookEveryMs)
  try {
    for (;;) {
      const changed = new Promise<void>((resolve) => {
        wake = resolve
      })
      // Asked before the last reading, too: what it wrote before it died is to be read.
      const goesOn = isUnderWay()
      for (const event of reader.read()) {
        yield event
        if (event.type === 'run-finished') return
      }
      if (!goesOn) return
      await changed
    }
  } finally {
    clearInterval(clock)
    watcher?.close()
    reader.close()
  }
}

/** Absent where the system has no more watches to give: then the clock alone wakes. */
function watchFile(path: string, onChange: () => void): FSWatcher | undefined {
  try {
    const watcher = watch(path, onChange)
    watcher.on('error', () => {})
    return watcher
  } catch {
    return undefined
  }
}
