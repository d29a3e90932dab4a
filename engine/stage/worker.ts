/**
 * @file The process in which stages run: one, or one after another while they leave nothing behind but what they keep
 * for each other. It leads a process group of its own, so that whatever a stage starts ends with it, and it does not
 * outlive the engine.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { realpathSync } from 'node:fs'
import path from 'node:path'
import { KeptValues } from './kept.ts'
import { CleanState } from './leftovers.ts'
import { NodeUse } from './node-use.ts'
import { ProgressThrottle } from './progress-throttle.ts'
import { runStage } from './run-stage.ts'
import { mapStacks } from './stack-map.ts'
import { forgetMemoryTuning } from './worker-memory.ts'
import { carry, type FromWorker, type LogLevel, type Staying, type ToWorker } from './worker-protocol.ts'

/** One node's stage. What it does later, by a timer that it left, is known to be its by `running`. */
class StageRun {
  readonly cancelled = new AbortController()
  readonly progress = new ProgressThrottle((progress) => this.say({ type: 'progress', progress }))
  readonly graceMs: number
  isOver = false

  constructor(graceMs: number) {
    this.graceMs = graceMs
  }

  log(level: LogLevel, message: string): void {
    this.say({ type: 'log', level, message })
  }

  tell(use: NodeUse): void {
    const used = use.read()
    this.log('info', use.describe(used))
    this.say({ type: 'used', use: used })
  }

  say(message: FromWorker): void {
    if (!this.isOver) send(message)
  }
}

const engine = process.ppid
forgetMemoryTuning(process.env)
// This module lies in a build's folder, as all others that are compiled do.
mapStacks(path.resolve(realpathSync(process.argv[1]!), '../..'))
const running = new AsyncLocalStorage<StageRun>()
const kept = new KeptValues()
let current: StageRun | undefined
let stagesRun = 0
/** A stage that was over has done something all the same. */
let isHaunted = false
let isEnding = false
let isWatching = false

function send(message: FromWorker, sent?: () => void): void {
  if (process.connected) process.send!(message, undefined, {}, () => sent?.())
  else sent?.()
}

/** The last message, and the end of the process: a stage may have left timers or threads behind. */
function end(message: FromWorker): void {
  if (isEnding) return
  isEnding = true
  current?.progress.flush()
  send(message, () => {
    if (process.connected) process.exit(message.type === 'finished' ? 0 : 1)
    else endGroup()
  })
}

/** Used where nobody is left who would clean up after this process. */
function endGroup(): void {
  process.kill(process.platform === 'win32' ? process.pid : -process.pid, 'SIGKILL')
}

function cancel(): void {
  if (current === undefined) process.exit(0)
  current.cancelled.abort()
}

/** A stage that computes without yielding does not see the engine go: a thread looks for it. */
async function watchEngine(graceMs: number): Promise<void> {
  if (isWatching) return
  isWatching = true
  const { Worker } = await import('node:worker_threads')
  const watch = `
    const { workerData: { engine, graceMs } } = require('node:worker_threads')
    const timer = setInterval(() => {
      if (process.ppid === engine) return
      clearInterval(timer)
      setTimeout(() => process.kill(process.platform === 'win32' ? process.pid : -process.pid, 'SIGKILL'), graceMs)
    }, 250)`
  new Worker(watch, { eval: true, workerData: { engine, graceMs }, execArgv: [], stdin: false }).unref()
}

process.on('message', (message: ToWorker) => {
  if (message.type === 'cancel') cancel()
  else void run(message)
})
process.on('SIGTERM', cancel)
process.on('disconnect', () => {
  const graceMs = current?.graceMs
  if (graceMs === undefined) endGroup()
  else setTimeout(endGroup, graceMs)
  cancel()
})
process.on('uncaughtException', fail)
process.on('unhandledRejection', fail)

function fail(error: unknown): void {
  if (running.getStore()?.isOver) isHaunted = true
  else end({ type: 'failed', error: carry(error) })
}

/** What a stage prints once it is over belongs to no node. */
function silenceStagesThatAreOver(): void {
  for (const stream of [process.stdout, process.stderr]) {
    const write = stream.write
    stream.write = ((...written: Parameters<typeof write>) => {
      if (running.getStore()?.isOver) {
        isHaunted = true
        return true
      }
      return write.apply(stream, written)
    }) as typeof write
  }
}

silenceStagesThatAreOver()
let clean: CleanState | undefined

async function run(message: ToWorker & { type: 'run' }): Promise<void> {
  const stage = new StageRun(message.graceMs)
  current = stage
  send({ type: 'started' })
  stagesRun++
  if (!message.isGuarded) await watchEngine(message.graceMs)
  if (message.stayMark !== undefined) clean ??= new CleanState()
  const use = new NodeUse(stagesRun === 1)
  const listener = {
    onProgress: stage.progress.push.bind(stage.progress),
    onLog: stage.log.bind(stage),
  }
  try {
    await running.run(stage, () =>
      runStage(message.bundle, message.task, stage.cancelled.signal, listener, kept),
    )
  } catch (error) {
    stage.tell(use)
    return end({ type: 'failed', error: carry(error) })
  }
  stage.tell(use)
  if (message.stayMark === undefined) return end({ type: 'finished' })
  stage.progress.flush()
  // What it still does is not to fail it, just as if its process had ended here.
  stage.isOver = true
  const staying = clean === undefined || stage.cancelled.signal.aborted ? undefined : await stayingOf(clean)
  if (staying === undefined) return end({ type: 'finished' })
  current = undefined
  for (const stream of [process.stdout, process.stderr]) stream.write(`${message.stayMark}\n`)
  send({ type: 'finished', staying })
}

/** What this process is to the next node; undefined where it may be none. */
async function stayingOf(clean: CleanState): Promise<Staying | undefined> {
  const { content } = kept
  if (content === undefined) return undefined
  const found = await clean.leftover()
  const leftover = isHaunted ? 'something that goes on' : found
  if (leftover === undefined) return { content, residentBytes: process.memoryUsage.rss() }
  send({
    type: 'log',
    level: 'info',
    message: `the stage leaves ${leftover} behind: its process ends with it`,
  })
  return undefined
}
