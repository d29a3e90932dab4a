/** @file A worker process seen from the engine: started, listened to, cancelled, and gone before anyone goes on. */
import { type ChildProcess, fork } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { StageFailure } from './failure.ts'
import { Guard } from './guard.ts'
import type { StageListener } from './run-stage.ts'
import { withMemoryTuning } from './worker-memory.ts'
import { type FromWorker, type StageTask, type Staying, type ToWorker, uncarry } from './worker-protocol.ts'

/** One stage to run in a worker. */
export interface WorkerTask {
  /** Absolute path of the stage's compiled module. */
  readonly bundle: string
  readonly task: StageTask
  readonly signal: AbortSignal
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number
}

/** A process that had waited for a stage was gone when it was asked: no stage has run. */
export class WorkerGone extends Error {
  override readonly name = 'WorkerGone'
}

/** Pipes that a process which left the group keeps open are not waited for longer than this. */
const pipeWaitMs = 1000

const guard = new Guard()
const alive = new Set<ChildProcess>()
process.on('exit', killWorkers)

/** Ends all workers at once, without grace. They are also ended when this process exits. */
export function killWorkers(): void {
  for (const child of alive) killGroup(child, 'SIGKILL')
}

export class WorkerProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<Ending>
  #current: Course | undefined
  #hasServed = false
  /** What it said before there was a stage. */
  #early: { readonly stream: string; readonly line: string }[] = []
  #heapExhausted = false

  /** @param worker Absolute path of the worker's own compiled module. */
  constructor(worker: string, environment: NodeJS.ProcessEnv) {
    const child = fork(worker, [], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: withMemoryTuning(environment),
      execArgv: [],
    })
    this.#child = child
    alive.add(child)
    this.#ended = endOf(child).finally(() => alive.delete(child))
    // Whoever runs a stage hears of it.
    this.#ended.catch(() => {})
    // There are none where the system has no more files to give.
    if (child.stdout) this.#forwardLines('stdout', child.stdout)
    if (child.stderr) this.#forwardLines('stderr', child.stderr)
    child.on('message', (message: FromWorker) => this.#current?.onMessage(message))
  }

  /** Whether it has ended, or been told to by somebody else. */
  get isGone(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null || !this.#child.connected
  }

  /**
   * Runs a stage. Settles once the process and its group are gone, or, with `stay`, once it may serve another stage
   * and everything that it said has been read.
   * @param isNew whether the process was started for this stage, so that its end is the stage's in any case
   * @returns what the process keeps where it stayed; only then may it be used again
   * @throws StageFailure of the stage, or `worker-killed` and `worker-exited` where it ended without a word; any other
   * error of the stage with its own stack; WorkerGone
   */
  async run(
    { bundle, task, signal, graceMs }: WorkerTask,
    listener: StageListener,
    { stay, isNew }: { readonly stay: boolean; readonly isNew: boolean },
  ): Promise<Staying | undefined> {
    const deadline = new Deadline(() => killGroup(this.#child, 'SIGKILL'), graceMs)
    const course = new Course(listener, deadline)
    this.#current = course
    for (const { stream, line } of this.#early.splice(0)) course.onLine(stream, line)
    const { pid } = this.#child
    if (pid !== undefined) listener.onProcess?.(pid, !this.#hasServed)
    const cancel = () => {
      send(this.#child, { type: 'cancel' })
      killGroup(this.#child, 'SIGTERM')
      deadline.start()
    }
    try {
      const isGuarded = pid !== undefined && guard.watch(pid, graceMs)
      const stayMark = stay ? { stayMark: course.mark } : {}
      send(this.#child, { type: 'run', bundle, task, graceMs, isGuarded, ...stayMark })
      if (signal.aborted) cancel()
      else signal.addEventListener('abort', cancel, { once: true })
      const ending = await Promise.race([this.#ended, course.stayed])
      if ('content' in ending) {
        if (!signal.aborted) return ending
        await this.end()
        return undefined
      }
      const { outcome } = course
      if (outcome?.type === 'failed') throw uncarry(outcome.error)
      if (outcome !== undefined) return undefined
      if (!course.isStarted && !isNew) throw new WorkerGone()
      throw silentEnd(ending, this.#heapExhausted)
    } finally {
      this.#hasServed = true
      this.#current = undefined
      signal.removeEventListener('abort', cancel)
      deadline.stop()
      if (pid !== undefined) guard.release(pid)
    }
  }

  /** Of a process that runs no stage. Resolves when it and its group are gone. */
  async end(): Promise<void> {
    killGroup(this.#child, 'SIGKILL')
    await this.#ended
  }

  /** What comes before the first stage is the first one's; what comes between two belongs to none, and is not shown. */
  #forwardLines(stream: 'stdout' | 'stderr', input: Readable): void {
    const onLine = (line: string) => {
      if (stream === 'stderr' && line.includes('heap out of memory')) this.#heapExhausted = true
      if (this.#current !== undefined) this.#current.onLine(stream, line)
      else if (!this.#hasServed) this.#early.push({ stream, line })
    }
    createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }).on('line', onLine)
  }
}

type Outcome = FromWorker & { type: 'finished' | 'failed' }

/** What one stage in a worker says, and how far it has come. */
class Course {
  /** The last that a worker which stays prints for this stage. */
  readonly mark = `end of stage ${randomUUID()}`
  /** Resolves when the worker stays and all of its output for this stage has been read. */
  readonly stayed: Promise<Staying>
  outcome: Outcome | undefined
  isStarted = false
  readonly #listener: StageListener
  readonly #deadline: Deadline
  readonly #marked = new Set<string>()
  #stay: (staying: Staying) => void = () => {}

  constructor(listener: StageListener, deadline: Deadline) {
    this.#listener = listener
    this.#deadline = deadline
    this.stayed = new Promise((resolve) => {
      this.#stay = resolve
    })
  }

  onMessage(message: FromWorker): void {
    switch (message.type) {
      case 'started':
        this.isStarted = true
        break
      case 'progress':
        this.#listener.onProgress(message.progress)
        break
      case 'log':
        this.#listener.onLog(message.level, message.message)
        break
      case 'used':
        this.#listener.onUse?.(message.use)
        break
      case 'finished':
      case 'failed':
        this.outcome = message
        this.#deadline.start()
        this.#settle()
        break
      default:
        message satisfies never
    }
  }

  onLine(stream: string, line: string): void {
    if (!line.endsWith(this.mark)) {
      this.#listener.onLog('info', line)
      return
    }
    // What stands before it is a last line without an end.
    const rest = line.slice(0, -this.mark.length)
    if (rest !== '') this.#listener.onLog('info', rest)
    this.#marked.add(stream)
    this.#settle()
  }

  #settle(): void {
    const staying = this.outcome?.type === 'finished' ? this.outcome.staying : undefined
    if (staying !== undefined && this.#marked.size === 2) this.#stay(staying)
  }
}

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

interface Ending {
  readonly code: number | null
  readonly killedBy: NodeJS.Signals | null
}

/** Resolves once the process has exited, its group is gone and everything that it said has been read. */
function endOf(child: ChildProcess): Promise<Ending> {
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

function silentEnd({ code, killedBy }: Ending, heapExhausted: boolean): StageFailure {
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
