/**
 * @file Standard output and error. Node loads its streams for them when they are first used, which takes longer than to
 * find a small workflow up to date: what a run says that has nothing to do is written without them.
 */
import { fstatSync, writeSync } from 'node:fs'

/** A pipe takes so many bytes in one piece, or says that it has no room. */
const pieceBytes = 4096

let isStreamInUse = false
let hasWritten = false

/** To standard output, in the order of the calls. */
export function writeOutput(text: string): void {
  const rest = hasWritten || isStreamInUse ? text : writePiece(text)
  hasWritten = true
  if (rest.length > 0) process.stdout.write(rest)
}

/** What it does not take at once. A failure is left to the stream as well, so that there is one place to notice it. */
function writePiece(text: string): Uint8Array {
  const bytes = Buffer.from(text)
  if (bytes.length > pieceBytes) return bytes
  try {
    return bytes.subarray(writeSync(1, bytes))
  } catch {
    return bytes
  }
}

export function isOutputTerminal(): boolean {
  return fstatSync(1).isCharacterDevice() && process.stdout.isTTY === true
}

/**
 * `flow run | head`: who reads the output may go away, `flow run > log`: the disk may be full. The run goes on, but
 * what was to be said and is not on the disk makes it fail.
 * @returns Resolves to whether something was lost, once all that has been written is through.
 */
export function watchOutput(): { readonly isLost: () => Promise<boolean> } {
  const used: NodeJS.WriteStream[] = []
  let lost = false
  const watch = (stream: NodeJS.WriteStream) => {
    used.push(stream)
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EPIPE' || lost) return
      lost = true
      if (stream === process.stdout)
        process.stderr.write(`flow: its output cannot be written: ${error.message}\n`)
    })
  }
  onFirstUse('stdout', (stream) => {
    isStreamInUse = true
    watch(stream)
  })
  onFirstUse('stderr', watch)
  return {
    isLost: async () => {
      for (const stream of used) await written(stream)
      return lost
    },
  }
}

function written(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    if (stream.destroyed) resolve()
    else stream.write('', () => resolve())
  })
}

function onFirstUse(name: 'stdout' | 'stderr', use: (stream: NodeJS.WriteStream) => void): void {
  const own = Object.getOwnPropertyDescriptor(process, name)
  if (own?.get === undefined || own.configurable !== true) {
    use(process[name])
    return
  }
  Object.defineProperty(process, name, {
    ...own,
    get: () => {
      Object.defineProperty(process, name, own)
      const stream = process[name]
      use(stream)
      return stream
    },
  })
}
