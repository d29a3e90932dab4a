/** @file A worker process seen from the engine: started, listened to, cancelled, and gone before anyone goes on. */
import { type ChildProcess, fork } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { StageFailure } from './failure.ts'
import type { StageListener } from './run-stage.ts'
import { withMemoryTuning } from './worker-memory.ts'
import { type FromWorker, type StageTask, type ToWorker, uncarry } from './worker-protocol.ts'

export interface WorkerOptions {
  /** Absolute path of the worker's own compiled module. */
  readonly worker: string
  /** Absolute path of the stage's compiled module. */
  readonly bundle: string
  readonly task: StageTask
  readonly signal: AbortSignal
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number
  readonly environment: NodeJS.ProcessEnv
}

/** Pipes that a process which left the group keeps open are not waited for longer than this. */
const pipeWaitMs = 1000

const running = new Set<ChildProcess>()
process.on('exit', killWorkers)

/** Ends all running workers at once, without grace. They are also ended when this process exits. */
export function killWorkers(): void {
  for (const child of running) killGroup(child, 'SIGKILL')
}

/**
 * Runs a stage in a process of its own. Settles only after the process and its group are gone.
 * @throws StageFailure of the stage, or `worker-killed` and `worker-exited` where it ended without a word; any other
 * error of the stage with its own stack.
 */
export async function runInWorker(options: WorkerOptions, listener: StageListener): Promise<void> {
  const { task, bundle, signal, graceMs } = options
  const child = fork(options.worker, [], {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: withMemoryTuning(options.environment),
    execArgv: ['--enable-source-maps'],
  })
  running.add(child)
  let outcome: Outcome | undefined
  let heapExhausted = false
  forwardLines(child.stdout!, (line) => listener.onLog('info', line))
  forwardLines(child.stderr!, (line) => {
    if (line.includes('heap out of memory')) heapExhausted = true
    listener.onLog('info', line)
  })
  const deadline = new Deadline(() => killGroup(child, 'SIGKILL'), graceMs)
  child.on('message', (message: FromWorker) => {
    if (message.type === 'progress') listener.onProgress(message.progress)
    else if (message.type === 'log') listener.onLog(message.level, message.message)
    else {
      outcome = message
      deadline.start()
    }
  })
  const cancel = () => {
    send(child, { type: 'cancel' })
    killGroup(child, 'SIGTERM')
    deadline.start()
  }
  try {
    const ended = endOf(child)
    send(child, { type: 'run', bundle, task, graceMs })
    if (signal.aborted) cancel()
    else signal.addEventListener('abort', cancel, { once: true })
    const { code, killedBy } = await ended
    if (outcome?.type === 'failed') throw uncarry(outcome.error)
    if (outcome === undefined) throw silentEnd(code, killedBy, heapExhausted)
  } finally {
    signal.removeEventListener('abort', cancel)
    deadline.stop()
    running.delete(child)
  }
}

type Outcome = FromWorker & { type: 'finished' | 'failed' }

class Deadline {
  readonly #act: () => void
  readonly #afterMs: number
  #timer: NodeJS.Timeout | undefined

  constructor(act: () => void, afterMs: number) {
    this.#act = act
    this.#afterMs = afterMs
  }

  start(): void {
    this.#timer ??= setTimeout(this.#act, this.#afterMs)
  }

  stop(): void {
    clearTimeout(this.#timer)
  }
}

/** Resolves once the process has exited, its group is gone and everything that it said has been read. */
function endOf(child: ChildProcess): Promise<{ code: number | null; killedBy: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    let pipeTimer: NodeJS.Timeout | undefined
    child.once('error', (error) => {
      if (child.pid === undefined) reject(error)
    })
    child.once('exit', () => {
      // Processes that the stage started and left behind; they would also keep the pipes open.
      killGroup(child, 'SIGKILL')
      pipeTimer = setTimeout(() => {
        child.stdout?.destroy()
        child.stderr?.destroy()
      }, pipeWaitMs)
    })
    child.once('close', (code, killedBy) => {
      clearTimeout(pipeTimer)
      resolve({ code, killedBy })
    })
  })
}

function silentEnd(
  code: number | null,
  killedBy: NodeJS.Signals | null,
  heapExhausted: boolean,
): StageFailure {
  if (heapExhausted) {
    return new StageFailure({
      code: 'worker-killed',
      message: "the stage's process ran out of JavaScript heap memory",
      hint: 'let it have more, say with NODE_OPTIONS=--max-old-space-size=8192, or lower its batch size',
    })
  }
  if (killedBy !== null) {
    const crashed =
      killedBy === 'SIGSEGV' || killedBy === 'SIGABRT' || killedBy === 'SIGBUS' || killedBy === 'SIGILL'
    return new StageFailure({
      code: 'worker-killed',
      message: `the stage's process was ended by ${killedBy}`,
      hint: crashed
        ? 'native code in it crashed; its log may say more'
        : 'the system may have run out of memory: lower the batch size or --jobs',
      // Nothing in the process can end it so: somebody else did, for want of memory most often, which others hold too.
      retryable: killedBy === 'SIGKILL',
    })
  }
  return new StageFailure({
    code: 'worker-exited',
    message: `the stage ended its process with exit code ${code} before it was done`,
    hint: 'a stage returns or throws; it does not call process.exit',
  })
}

function send(child: ChildProcess, message: ToWorker): void {
  // A process that is gone already shows in its exit.
  if (child.connected) child.send(message, () => {})
}

function killGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    if (process.platform === 'win32') child.kill(signal)
    else process.kill(-child.pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

function forwardLines(stream: Readable, onLine: (line: string) => void): void {
  createInterface({ input: stream, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onLine)
}
